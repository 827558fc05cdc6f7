/** 1 gray, 3 RGB, 4 RGBA. */
export type Channels = 1 | 3 | 4;

/** An 8-bit image: rows from the top, channels last, `height · width · channels` bytes. */
export interface ByteImage {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Bytes of a pixel. */
  readonly channels: Channels;
  /** Row by row. */
  readonly data: Uint8Array;
}

/**
 * Throws unless the image has 1, 3 or 4 channels, whole positive sides, and the bytes that its shape says.
 * @param who whose argument it is, for the message
 */
export function checkImage({ width, height, channels, data }: ByteImage, who: string): void {
  if (channels !== 1 && channels !== 3 && channels !== 4)
    throw new RangeError(`${who}: channels must be 1, 3 or 4, got ${channels as number}`);
  if (!Number.isSafeInteger(width) || !Number.isSafeInteger(height) || width < 1 || height < 1) {
    throw new RangeError(`${who}: width and height must be whole numbers of at least 1, got ${width}×${height}`);
  }
  if (data.length !== width * height * channels) {
    throw new RangeError(
      `${who}: a ${width}×${height}×${channels} image has ${width * height * channels} bytes, got ${data.length}`,
    );
  }
}

/** Throws unless all images have one width, height and number of channels, and there is at least one. */
export function checkAlike(images: readonly ByteImage[], who: string): void {
  const first = images[0];
  if (!first) throw new RangeError(`${who}: expected at least one image, got none`);
  images.forEach((image, i) => {
    checkImage(image, who);
    if (image.width !== first.width || image.height !== first.height || image.channels !== first.channels) {
      throw new RangeError(`${who}: image ${i} is ${shapeOf(image)}, but the first is ${shapeOf(first)}`);
    }
  });
}

const shapeOf = ({ width, height, channels }: ByteImage) => `${width}×${height}×${channels}`;
