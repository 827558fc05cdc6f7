import type { KnownLevels } from './levels';
import type { Denoiser } from './load-denoiser';

/** @throws Error in one line unless what is to lead a denoiser is of its images, at its noise levels */
export function checkLeads(
  path: string,
  opened: { readonly image: readonly number[]; readonly levels: KnownLevels },
  denoiser: Pick<Denoiser, 'image' | 'levels'>,
): void {
  if (opened.image.join() !== denoiser.image.join())
    throw new Error(
      `${path} is of images of ${opened.image.join('×')}, and the model's are ${denoiser.image.join('×')}`,
    );
  const [own, other] = [denoiser.levels.schedule?.betas, opened.levels.schedule?.betas];
  if (!own || own.join() !== other?.join())
    throw new Error(
      `${path} was trained at other noise levels than the model; train it with the same --schedule and --timesteps`,
    );
}
