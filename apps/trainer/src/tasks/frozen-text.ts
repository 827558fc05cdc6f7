import { withEncodedCaptions } from '@ddpm/datasets';
import type { Execution } from '@ddpm/execution';
import type { TextMeaning } from '@ddpm/models';
import { openTextEncoder } from '@ddpm/models';
import { withTextDropout } from '@ddpm/text';
import { z } from 'zod';
import type { Telling } from './telling';

/** The option that names a frozen encoder. */
export const textEncoderOption = {
  flag: '--text-encoder <folder>',
  does: "tell the network what a pretrained encoder says of captions, which is not trained, instead of training one: a folder of Hugging Face's files of BERT's kind, such as all-MiniLM-L6-v2; needed for drawing too",
  schema: z.string().min(1, 'must name a folder').optional(),
  inherited: true,
} as const;

/**
 * Captions as a frozen text encoder has them (Saharia et al. 2022, Imagen, §2.1).
 * @param known the encoder of the run that is gone on with
 * @throws Error in one line if the folder has no encoder that can be used, or another than the run was trained with
 */
export async function tellFrozen(
  { folder, length, dropout }: Pick<TextMeaning, 'folder' | 'length' | 'dropout'>,
  execution: Execution,
  known?: TextMeaning,
): Promise<Telling> {
  const encoder = await openTextEncoder(folder, { length, execution });
  const { features, sha256 } = encoder;
  if (known && known.sha256 !== sha256) {
    await encoder.dispose();
    throw new Error(`--text-encoder: ${folder} is another encoder than the one that the model was trained with`);
  }
  const empty = await encoder.condition(['']);
  return {
    options: { textFeatures: features },
    conditions: ['text', 'present'],
    condition: (captions) => encoder.condition(captions),
    dropped: (task) => (dropout > 0 ? withTextDropout(task, empty, { probability: dropout }) : task),
    meaning: { text: { folder, sha256, length, features, dropout } },
    training: { encode: (images) => Promise.resolve(withEncodedCaptions(images, encoder)) },
    says: `told what ${folder} says of captions, in ${length} tokens of ${features} features`,
    dispose: () => encoder.dispose(),
  };
}
