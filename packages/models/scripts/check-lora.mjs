// Has diffusers draw with a LoRA of ours, and ours with one of the U-Net and the text encoder that diffusers saved:
//
//   node scripts/check-lora.mjs --python venv/bin/python FOLDER LORA
//
// with a virtual environment that has `diffusers`, `transformers`, `peft` and `torch`. FOLDER is a Stable Diffusion that
// diffusers saved, LORA a lora.safetensors of `ddpm-train --from FOLDER --lora 4`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadPipeline } from '@ddpm/diffusers';
import { mergeLora, readLora } from '@ddpm/lora';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs';
import { loraNames } from '../dist/index.js';

const { values, positionals } = parseArgs({
  options: { python: { type: 'string', default: 'python3' } },
  allowPositionals: true,
});
if (positionals.length !== 2) throw new Error('name a folder that diffusers saved, and a LoRA');
const [folder, file] = positionals;
const [STRENGTH, STEPS, PROMPT] = [0.8, 5, 'red apple'];

// The text encoder's updates are added by hand, and saved by diffusers under its names.
const python = `
import json, sys, torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig, get_peft_model_state_dict
job = json.load(sys.stdin)
latents = torch.tensor(job['latents']).permute(0, 3, 1, 2)
def opened():
    pipeline = StableDiffusionPipeline.from_pretrained(job['folder'], safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.check_inputs = lambda *_, **__: None
    return pipeline
def draw(pipeline):
    h, w = job['size']
    return pipeline(job['prompt'], latents=latents, height=h, width=w, num_inference_steps=job['steps'], output_type='np').images.flatten().tolist()
pipeline = opened()
plain = draw(pipeline)
pipeline.load_lora_weights(job['file'])
pipeline.set_adapters(pipeline.get_list_adapters()['unet'], [job['strength']])
loaded = draw(pipeline)
pipeline = opened()
torch.manual_seed(1)
pipeline.unet.add_adapter(LoraConfig(r=3, lora_alpha=3, target_modules=['to_q', 'to_v', 'conv1'], init_lora_weights=False))
text = {}
for name, module in pipeline.text_encoder.named_modules():
    if name.rsplit('.', 1)[-1] in ('q_proj', 'v_proj', 'fc1'):
        A, B = 0.2 * torch.randn(2, module.in_features), 0.2 * torch.randn(module.out_features, 2)
        module.weight.data += B @ A
        key = name if name.startswith('text_model.') else 'text_model.' + name
        text[key + '.lora_A.weight'], text[key + '.lora_B.weight'] = A, B
theirs = draw(pipeline)
StableDiffusionPipeline.save_lora_weights(job['out'], unet_lora_layers=get_peft_model_state_dict(pipeline.unet), text_encoder_lora_layers=text)
print(json.dumps({'plain': plain, 'loaded': loaded, 'theirs': theirs}))
`;

await tf.setBackend('cpu');
const scratch = mkdtempSync(join(tmpdir(), 'ddpm-lora-'));
const opened = await loadPipeline(folder);
const { factor, latentChannels } = opened.latents.autoencoder;
const size = opened.image.slice(0, 2);
const shape = [1, size[0] / factor, size[1] / factor, latentChannels];
const latents = tf.tensor4d(new Random(3).normals(tf.util.sizeFromShape(shape)), shape);
try {
  const { stdout, stderr, status } = spawnSync(values.python, ['-c', python], {
    input: JSON.stringify({
      ...{ folder, file, out: scratch, size, strength: STRENGTH, steps: STEPS, prompt: PROMPT },
      latents: latents.arraySync(),
    }),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(stderr);
  const said = JSON.parse(stdout.trim().split('\n').at(-1));
  const furthest = (ours, theirs) => Math.max(...theirs.map((value, i) => Math.abs(value - ours[i])));
  for (const [what, path, strength, expected] of [
    ['ours in load_lora_weights', file, STRENGTH, said.loaded],
    ['theirs in readLora', join(scratch, 'pytorch_lora_weights.safetensors'), 1, said.theirs],
  ]) {
    const pipeline = await loadPipeline(folder);
    const parts = { unet: pipeline.unet, text: pipeline.text.encoder };
    const lora = readLora(parts, readFileSync(path), loraNames(parts));
    mergeLora(parts, [{ lora, strength }]);
    const drawn = await pipeline.sample({ prompt: PROMPT, steps: STEPS, latents });
    const far = furthest(
      drawn.map((value) => (value + 1) / 2),
      expected,
    );
    console.log(
      `${lora.size} updates of ${what}: images differ by ${far.toExponential(1)}; what they change: ${furthest(said.plain, expected).toExponential(1)}`,
    );
    if (!(far < 1e-4)) process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true });
}
