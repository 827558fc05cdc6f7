import type { Level } from '../levels/level';
import { signalToNoise } from '../levels/level';

/**
 * Where sampling begins: x at a sampler's first level, made of noise. It is a function of one image, so that an image
 * does not depend on the batch that it is drawn in.
 * @param noise z ~ N(0, I), h · w · c values
 * @param level the level
 * @param label the image's class, where it has one
 * @returns x, h · w · c values
 */
export type Prior = (noise: Float32Array, level: Level, label?: number) => Float32Array;

/**
 * Whether so much of the images is left at a level that noise alone is not what x is like there: an image of `size`
 * values, each about 1, then moves x by more than the deviation of the noise, size·signal²/sigma² > 1. For 28×28 values
 * that is ᾱ_T > 0.0013: so it is at the end of a linear schedule of 200 timesteps (ᾱ_T = 0.13), and not at the end of
 * one of 1000 (0.00004).
 */
export const showsImages = (level: Level, size: number): boolean => size * signalToNoise(level) > 1;
