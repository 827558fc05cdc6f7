declare module 'upng-js' {
  interface Image {
    readonly tabs: { readonly acTL?: { readonly num_plays: number } };
    readonly frames: readonly { readonly delay: number }[];
  }
  const UPNG: {
    decode(bytes: ArrayBuffer): Image;
    toRGBA8(image: Image): ArrayBuffer[];
  };
  export default UPNG;
}
