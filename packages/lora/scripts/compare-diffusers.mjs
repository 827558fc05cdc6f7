// Has diffusers and peft load what `writeLora` wrote, and reads what they wrote, for a U-Net of Stable Diffusion:
//
//   node scripts/compare-diffusers.mjs --python venv/bin/python FOLDER
//
// with a virtual environment that has `diffusers`, `peft` and `torch`, and `transformers` where FOLDER is a whole pipeline, which is
// opened by `load_lora_weights` then. FOLDER is what diffusers saved: a pipeline, or a UNet2DConditionModel alone.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { unet2dConditionFromConfig, unet2dNames } from '@ddpm/adm';
import { Random } from '@ddpm/random';
import { readSafetensors } from '@ddpm/safetensors';
import * as tf from '@tensorflow/tfjs';
import { lora, readLora, withLora, writeLora } from '../dist/index.js';

const { values, positionals } = parseArgs({
  options: { python: { type: 'string', default: 'python3' } },
  allowPositionals: true,
});
if (positionals.length !== 1) throw new Error('name one folder that diffusers saved');
const [folder] = positionals;
const whole = existsSync(join(folder, 'model_index.json'));
const unetFolder = whole ? join(folder, 'unet') : folder;

const python = `
import json, sys, torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig
job = json.load(sys.stdin)
x, context = (torch.tensor(job[name]) for name in ('x', 'context'))
def open_unet():
    if not job['whole']:
        return None, UNet2DConditionModel.from_pretrained(job['unet'])
    pipeline = StableDiffusionPipeline.from_pretrained(job['folder'], safety_checker=None)
    return pipeline, pipeline.unet
def call(unet):
    with torch.no_grad():
        return unet(x.permute(0, 3, 1, 2), torch.tensor(job['t']), context).sample.permute(0, 2, 3, 1).flatten().tolist()
pipeline, unet = open_unet()
plain = call(unet)
if pipeline is None: unet.load_lora_adapter(job['ours'], prefix='unet')
else: pipeline.load_lora_weights(job['ours'])
loaded = call(unet)
pipeline, unet = open_unet()
torch.manual_seed(1)
unet.add_adapter(LoraConfig(r=3, lora_alpha=job['alpha'], target_modules=['to_q', 'to_k', 'to_v', 'to_out.0', 'conv1', 'conv_shortcut', 'ff.net.0.proj'], init_lora_weights=False))
theirs = call(unet)
if pipeline is None: unet.save_lora_adapter(job['out'])
else:
    from peft import get_peft_model_state_dict
    StableDiffusionPipeline.save_lora_weights(job['out'], unet_lora_layers=get_peft_model_state_dict(unet), unet_lora_adapter_metadata={k: v for k, v in unet.peft_config['default'].to_dict().items() if k in ('r', 'lora_alpha')})
print(json.dumps({'plain': plain, 'loaded': loaded, 'theirs': theirs}))
`;

await tf.setBackend('cpu');
const config = JSON.parse(readFileSync(join(unetFolder, 'config.json'), 'utf8'));
const { tensors } = readSafetensors(readFileSync(join(unetFolder, 'diffusion_pytorch_model.safetensors')));
const unet = unet2dConditionFromConfig(config, tensors);
const names = unet2dNames(unet);
const nameOf = (path) => names.get(path);
const size = 16;
const [x, context] = [
  [2, size, size, config.in_channels],
  [2, 5, config.cross_attention_dim],
].map((shape, i) => tf.tensor(new Random(i).normals(tf.util.sizeFromShape(shape)), shape));
const t = 123;
const apply = (network) => network.apply(x, tf.fill([2], t), { [unet.conditions[0]]: context });

const updates = lora(unet, { rank: 4, alpha: 3, rng: new Random(2) });
let seed = 10;
for (const { up } of updates.values())
  up.assign(
    tf.tensor(
      new Random(seed++).normals(up.size).map((z) => 0.2 * z),
      up.shape,
    ),
  );
const scratch = mkdtempSync(join(tmpdir(), 'ddpm-lora-'));
try {
  const ours = join(scratch, 'ours.safetensors');
  writeFileSync(ours, await writeLora(updates, { nameOf }));
  const out = join(scratch, 'theirs');
  const { stdout, stderr, status } = spawnSync(values.python, ['-c', python], {
    input: JSON.stringify({
      ...{ folder, whole, unet: unetFolder, ours, out, t, alpha: 5 },
      x: x.arraySync(),
      context: context.arraySync(),
    }),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(stderr);
  const said = JSON.parse(stdout.trim().split('\n').at(-1));
  const difference = (a, b) => Math.max(...b.map((value, i) => Math.abs(value - a[i]))) / Math.max(...b.map(Math.abs));
  const own = (network) => [...apply(network).dataSync()];
  const read = readLora(unet, readFileSync(join(out, 'pytorch_lora_weights.safetensors')), { nameOf });
  const rows = {
    'the U-Net without updates': difference(own(unet), said.plain),
    [`${updates.size} updates of ours in ${whole ? 'load_lora_weights' : 'load_lora_adapter'}`]: difference(
      own(withLora(unet, [{ lora: updates }])),
      said.loaded,
    ),
    [`${read.size} updates of theirs in readLora`]: difference(own(withLora(unet, [{ lora: read }])), said.theirs),
  };
  for (const [name, value] of Object.entries(rows)) {
    console.log(`${name}: ${value.toExponential(1)}`);
    if (!(value < 1e-4)) process.exitCode = 1;
  }
  console.log(
    `what updates change: ${difference(said.plain, said.loaded).toExponential(1)} and ${difference(said.plain, said.theirs).toExponential(1)}`,
  );
} finally {
  rmSync(scratch, { recursive: true });
}
