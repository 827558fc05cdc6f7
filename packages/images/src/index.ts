export { fromBytes, toBytes, toImageData, toImages, toRgba, withChannels } from './bytes';
export { enlarge, imageGrid } from './grid';
export type { ByteImage, Channels } from './image';
