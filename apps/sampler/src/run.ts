import { join } from 'node:path';
import { agree, isFirst, openExecution, UsageError, weightsHash } from '@ddpm/app-common';
import { createFolder, writeFileAtomic } from '@ddpm/checkpoint';
import type { Execution } from '@ddpm/execution';
import type { ChosenSampler, LoadedClip, LoadedNoisedClassifier, Model } from '@ddpm/models';
import { drawLowRes, openBase, withoutWords } from './cascade';
import { leadByClip, openClipLead } from './clip-lead';
import type { Cell } from './compare';
import { choiceOf, comparisonOf, comparisonPng } from './compare';
import { drawImages, withNetwork } from './draw-images';
import { checkExportPath, exportModel } from './export';
import { leadBy, openLead } from './lead';
import { addLoras } from './lora';
import { loadModel } from './model';
import { encodeNpz } from './npz';
import type { Latents } from './latents';
import { isLatent, latentsOf } from './latents';
import type { Format, Settings } from './options';
import type { Plan } from './plan';
import { planFor } from './plan';
import { vectorsOfWords } from './words';
import { writers } from './write';

const say = (line: string) => void process.stdout.write(`${line}\n`);

/** Draws images from a model, and writes them; or writes the model. */
export async function run(path: string, settings: Settings, captions: readonly string[] = []): Promise<void> {
  if (settings.export !== undefined) checkExportPath(settings.export);
  const execution = await openExecution(settings.backend, () => ({ ...settings, model: path, captions }));
  const model = await loadModel(path, settings, { execution });
  const warn = (line: string) => say(`Warning: ${line}`);
  for (const line of model.unusable) warn(line);
  say(`Model: ${model.description}`);
  for (const line of await addLoras(partsOf(model), settings.lora ?? [])) say(`LoRA: ${line}`);
  if (settings.export !== undefined) {
    if (isLatent(model))
      throw new UsageError('--export is for a denoiser of images, and this is a pipeline of latents');
    if (!isFirst) return;
    await exportModel(model, settings.export, warn);
    return say(`Exported: ${settings.export}`);
  }
  if (settings.classifier !== undefined && isLatent(model))
    throw new UsageError('--classifier is for a denoiser of images, and this one is of latents');
  const classifier = await openLead(model, settings);
  const clip = await openClipLead(model, settings);
  await agree(() => ({
    'the model': weightsHash(model.denoiser.parameters),
    ...(classifier && { 'the classifier': weightsHash(classifier.parameters) }),
    ...(clip && { 'the CLIP': weightsHash(clip.parameters) }),
  }));
  // The classes and the guidance are the classifier's.
  const asked = classifier
    ? { ...settings, class: undefined, guidance: undefined }
    : { ...settings, ...(clip && { guidance: settings.guidance ?? 1 }) };
  const base = await openBase(model, settings, execution);
  const latents = latentsOf(model, execution);
  const low = base && (await drawLowRes(base, model, asked, captions, execution, say));
  const plan = low
    ? await planFor(model, { ...withoutWords(asked), count: low.count }, [], low)
    : await planFor(model, asked, captions, undefined, {
        latents,
        ofWords: vectorsOfWords(model, asked, execution, say),
      });
  for (const line of plan.notes) warn(line);
  say(execution.reason);
  // What is drawn by an installed model does not go beside it.
  const beside = settings.pretrained === undefined ? model.folder : '.';
  const newFolder = () =>
    createFolder(settings.out === undefined ? { prefix: join(beside, 'samples') } : { path: settings.out });
  const drawing = { model, plan: { ...plan, captions: low?.captions ?? plan.captions }, latents, execution, newFolder };
  try {
    if (settings.compare) await compare(drawing, { ...settings, compare: settings.compare });
    else await drawInto(drawing, settings, { classifier, clip });
  } finally {
    await latents?.dispose();
  }
}

/** The networks that LoRA files may be of: the denoiser, and its encoder of captions. */
const partsOf = (model: Model): object =>
  isLatent(model) && model.pipeline.text
    ? { unet: model.denoiser.network, text: model.pipeline.text.encoder }
    : model.denoiser.network;

/** A drawing: its model and plan, and where it goes. */
interface Drawing {
  readonly model: Model;
  readonly plan: Plan;
  readonly latents?: Latents;
  readonly execution: Execution;
  readonly newFolder: () => Promise<string>;
}

async function drawInto(
  { model, plan, latents, execution, newFolder }: Drawing,
  settings: Settings,
  { classifier, clip }: { classifier?: LoadedNoisedClassifier; clip?: LoadedClip },
): Promise<void> {
  const { chosen, way } = plan.way();
  const { guidance, class: asked, clipScale } = settings;
  const { chain } = chosen;
  const { count, captions } = plan;
  const led = classifier
    ? await leadBy(classifier, execution, way, { count, chain, guidance, class: asked })
    : clip && (await leadByClip(clip, execution, way, { captions, chain, clipScale }));
  say(`Sampler: ${described(chosen)}${plan.record.prior === 'matched' ? ', from noise matched to the images' : ''}`);
  const drawn = await withNetwork(model, plan, execution, settings, (network, batch) =>
    drawImages(network, plan, way, {
      ...{ batch, trajectory: settings.trajectory, lead: led?.lead, latents, animated: !isLatent(model) },
    }),
  ).finally(() => led?.dispose());
  if (!isFirst) return;
  const folder = await newFolder();
  say(`Images: ${plan.count} in ${folder}`);
  for (const format of formatsOf(model, settings))
    await writers[format](folder, { ...drawn, columns: plan.columns, captions: plan.captions }, say);
  if (drawn.trajectory) {
    await writeFileAtomic(join(folder, 'trajectory.npz'), encodeNpz({ trajectory: drawn.trajectory }));
    say(`Trajectory: ${join(folder, 'trajectory.npz')}`);
  }
  await writeRecord(folder, {
    ...{ model: model.description, ...plan.record },
    ...(settings.lora && { lora: [...settings.lora] }),
    ...(led && { classifier: settings.classifier, clipGuidance: settings.clipGuidance, ...led.record }),
    sampler: recordOf(chosen),
  });
}

/** The formats to write: of latents no animation, each picture of which would be as much work as an image. */
function formatsOf(model: Model, { format }: Settings): Set<Format> {
  const asked = new Set<Format>(format);
  if (!isLatent(model)) return asked;
  const left = [...asked].filter((name) => name !== 'gif' && name !== 'apng');
  if (left.length < asked.size) say('Animation: none, since there are latents between noise and images');
  return new Set(left);
}

/** The same noise under several samplers and numbers of steps. */
async function compare(
  { model, plan, latents, execution, newFolder }: Drawing,
  settings: Settings & { compare: readonly string[] },
): Promise<void> {
  const comparison = comparisonOf(settings.compare, settings.compareSteps);
  const cells = await withNetwork(model, plan, execution, settings, async (network, batch) => {
    const rows: Cell[][] = [];
    for (const sampler of comparison.samplers) {
      const row: Cell[] = [];
      for (const steps of comparison.steps) {
        const choice = choiceOf(sampler, steps, model.denoiser.levels.schedule);
        const planned = choice ? refused(() => plan.way(choice)) : { reason: 'there are no timesteps to take all of' };
        if ('reason' in planned) {
          say(`${sampler}, ${steps} steps: ${planned.reason}`);
          row.push(planned);
          continue;
        }
        const start = performance.now();
        const { images } = await drawImages(network, plan, planned.way, {
          batch,
          trajectory: false,
          label: `${sampler}, ${steps}`,
          latents,
          animated: false,
        });
        row.push({ images, seconds: (performance.now() - start) / 1000 });
      }
      rows.push(row);
    }
    return rows;
  });
  const png = await comparisonPng(comparison, cells);
  if (!isFirst) return;
  const folder = await newFolder();
  await writeFileAtomic(join(folder, 'compare.png'), png);
  say(`Comparison: ${join(folder, 'compare.png')}`);
  const seconds = cells.map((row) => row.map((cell) => ('seconds' in cell ? Number(cell.seconds.toFixed(3)) : null)));
  await writeRecord(folder, { model: model.description, ...plan.record, ...comparison, seconds });
}

/** The result of a choice, or the reason why it is refused. */
function refused<T>(work: () => T): T | { readonly reason: string } {
  try {
    return work();
  } catch (error) {
    if (error instanceof UsageError) return { reason: error.message };
    throw error;
  }
}

const described = ({ sampler, steps, spacing }: ChosenSampler) =>
  `${sampler}, ${steps} step${steps === 1 ? '' : 's'} (${spacing})`;

const recordOf = ({ sampler, steps, spacing, eta, churn }: ChosenSampler) => ({
  name: sampler,
  steps,
  spacing,
  eta,
  churn,
});

async function writeRecord(folder: string, record: object): Promise<void> {
  await writeFileAtomic(join(folder, 'samples.json'), `${JSON.stringify(record, undefined, 2)}\n`);
}
