import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '@ddpm/random';
import { writeSafetensors } from '@ddpm/safetensors';
import { trainWords } from '../src/vocabulary';

/** Features of its positions, and heads of its attention. */
export const [width, heads] = [4, 2];

/** A BERT of one block: random weights under Hugging Face's names, in PyTorch's layout. */
export function tinyBert(vocabularySize: number): Map<string, { shape: number[]; data: Float32Array }> {
  const rng = new Random(4);
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>();
  const add = (name: string, ...shape: number[]) =>
    tensors.set(name, { shape, data: rng.normals(shape.reduce((a, b) => a * b, 1)) });
  const linear = (name: string, to: number, from: number) => {
    add(`${name}.weight`, to, from);
    add(`${name}.bias`, to);
  };
  const norm = (name: string) => ['weight', 'bias'].forEach((part) => add(`${name}.${part}`, width));
  add('embeddings.word_embeddings.weight', vocabularySize, width);
  add('embeddings.position_embeddings.weight', 6, width);
  add('embeddings.token_type_embeddings.weight', 2, width);
  norm('embeddings.LayerNorm');
  const layer = 'encoder.layer.0';
  for (const part of ['query', 'key', 'value']) linear(`${layer}.attention.self.${part}`, width, width);
  linear(`${layer}.attention.output.dense`, width, width);
  norm(`${layer}.attention.output.LayerNorm`);
  linear(`${layer}.intermediate.dense`, 8, width);
  linear(`${layer}.output.dense`, width, 8);
  norm(`${layer}.output.LayerNorm`);
  return tensors;
}

/** Writes the files of such an encoder, with a vocabulary of captions, into a new folder. */
export function writeTinyBert(
  folder: string,
  { captions, length, config = {} }: { captions: readonly string[]; length: number; config?: object },
): void {
  const { json } = trainWords(captions, { size: 9, length });
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ num_attention_heads: heads, ...config }));
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json));
  writeFileSync(join(folder, 'model.safetensors'), writeSafetensors(tinyBert(9)));
}
