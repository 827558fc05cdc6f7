import type { AsyncNetworkFunction, Condition, Denoise, Network, NetworkFunction, Sampler } from '@ddpm/diffusion';

/** One of diffusers' schedulers, made ready to use with `sample` of @ddpm/diffusion. */
export interface Scheduler {
  /** The way from noise to images. Its x is the scheduler's own, which Euler's and Heun's hold as x_0 + σε. */
  readonly sampler: Sampler;
  /** The factor of the noise that sampling starts from (`init_noise_sigma`). */
  readonly initialScale: number;
  /**
   * A network as what the sampler asks. It is given x [n, h, w, c], scaled as by `scale_model_input`, the scheduler's
   * timestep [n] float32, which may be fractional, and the condition, if there is one.
   */
  readonly denoise: (
    network: Network | NetworkFunction | AsyncNetworkFunction,
    options?: { readonly condition?: Condition },
  ) => Denoise;
}
