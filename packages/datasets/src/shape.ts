/** Height and width in pixels. */
export type Size = readonly [h: number, w: number];

/** Of an image: height, width, channels. */
export type Shape = readonly [h: number, w: number, c: number];
