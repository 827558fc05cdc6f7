import { z } from 'zod';

/** Whether what is to guide learns of noisy images. */
export const noisedOption = {
  flag: '--noised',
  does: 'of a classifier or a CLIP: of images at every noise level, told which, as guidance by it needs',
  schema: z.boolean({ error: 'must be true or false' }).optional(),
} as const;
