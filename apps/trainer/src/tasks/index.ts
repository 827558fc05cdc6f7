import { autoencode } from './autoencode';
import { clipTask } from './clip';
import { classify } from './classify';
import { consistent } from './consistent';
import { decode } from './decode';
import { denoise } from './denoise';
import { diffusionPrior } from './diffusion-prior';
import { distill } from './distill';
import { inpaint } from './inpaint';
import { lora } from './lora';
import { superResolve } from './super-resolve';
import { textToImage } from './text-to-image';
import type { Kind } from './training';

/** The kinds of training; the first is the default. */
const kinds: readonly Kind[] = [
  denoise,
  classify,
  textToImage,
  autoencode,
  superResolve,
  clipTask,
  diffusionPrior,
  decode,
  distill,
  consistent,
  lora,
  inpaint,
];

/** The kinds of training by the names that `--task` gives them. */
export const tasks: Readonly<Record<string, Kind>> = Object.fromEntries(kinds.map((kind) => [kind.name, kind]));

/** The presets of all of them by their names. */
export const presets: Readonly<Record<string, Kind['presets'][string] & { readonly kind: Kind }>> = Object.fromEntries(
  kinds.flatMap((kind) => Object.entries(kind.presets).map(([name, preset]) => [name, { ...preset, kind }])),
);
