export { gelu, geluTanh, quickGelu, silu } from './activations';
export { attend, joinHeads, splitHeads } from './attend';
export { Attention } from './attention';
export type { AttentionOptions } from './attention';
export { Block } from './block';
export { Conv1d } from './conv1d';
export type { Conv1dOptions } from './conv1d';
export { Conv2d } from './conv2d';
export type { Conv2dOptions } from './conv2d';
export { ConvNextBlock } from './convnext-block';
export type { ConvNextBlockOptions } from './convnext-block';
export { ConvTranspose2d } from './conv-transpose2d';
export type { ConvTranspose2dOptions } from './conv-transpose2d';
export { DepthwiseConv2d } from './depthwise-conv2d';
export { dropoutBy, drawMasks } from './dropout';
export type { Dropout } from './dropout';
export { Embedding } from './embedding';
export type { EmbeddingOptions } from './embedding';
export { GroupNorm } from './group-norm';
export { normalInit, xavierInit, zeroInit } from './init';
export type { Fans, Init } from './init';
export { LayerNorm } from './layer-norm';
export { Linear } from './linear';
export type { LinearOptions } from './linear';
export { LinearAttention } from './linear-attention';
export { causalMask, paddingMask } from './masks';
export { MultiHeadAttention } from './multi-head-attention';
export type { MultiHeadAttentionOptions } from './multi-head-attention';
export {
  disposeParameters,
  heldParameters,
  loadParameters,
  namedParameters,
  parameterCount,
  parameterValues,
} from './parameters';
export type { HeldParameter, StoredValues, TensorValues } from './parameters';
export { assignLazily } from './lazy-tensor';
export { pixelShuffle, pixelUnshuffle } from './pixel-shuffle';
export { PreNorm } from './pre-norm';
export { readingOnly } from './reading-only';
export { RmsNorm } from './rms-norm';
export { Downsample, Upsample } from './resample';
export { Residual } from './residual';
export type { Layer } from './residual';
export { averagePool, upsampleNearest } from './resize';
export { ResnetBlock } from './resnet-block';
export { sinusoidalEmbedding } from './sinusoidal';
export type { SinusoidalOptions } from './sinusoidal';
export { loadTorchTensors, torchAxes, toTorchTensors } from './torch';
export type { TorchAxes } from './torch';
