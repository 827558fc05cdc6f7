import type { Init, StoredValues, TensorValues } from '@ddpm/layers';
import {
  causalMask,
  disposeParameters,
  Embedding,
  gelu,
  geluTanh,
  LayerNorm,
  Linear,
  loadTorchTensors,
  normalInit,
  quickGelu,
  silu,
  toTorchTensors,
  zeroInit,
} from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import type { EncodedText } from './text-transformer';
import { TransformerBlock } from './transformer-block';

/** A `config.json` of transformers' `CLIPTextModel`, read as JSON; what is not in it has that class's default. */
export type ClipTextConfig = Readonly<Record<string, unknown>>;

const defaults = {
  vocab_size: 49408,
  hidden_size: 512,
  intermediate_size: 2048,
  projection_dim: 512,
  num_hidden_layers: 12,
  num_attention_heads: 8,
  max_position_embeddings: 77,
  hidden_act: 'quick_gelu',
  layer_norm_eps: 1e-5,
  eos_token_id: 49407,
};
type Config = typeof defaults;

const activations: Readonly<Record<string, (x: tf.Tensor3D) => tf.Tensor3D>> = {
  gelu,
  quick_gelu: quickGelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  silu,
  swish: silu,
  relu: (x) => tf.relu(x),
};

/** Of transformers, whose class without `WithProjection` has no projection. */
const architectures = ['CLIPTextModel', 'CLIPTextModelWithProjection'];

/** @throws RangeError that names what is not carried */
function readConfig(given: ClipTextConfig): Config & { readonly projection: boolean } {
  const who = 'CLIPTextModel';
  if (given.model_type !== undefined && given.model_type !== 'clip_text_model')
    throw new RangeError(`expected the config of a ${who}, got that of a ${JSON.stringify(given.model_type)}`);
  const [architecture = who] = (given.architectures ?? []) as readonly string[];
  if (!architectures.includes(architecture))
    throw new RangeError(`${who}: ${architecture} is not carried, only ${architectures.join(', ')}`);
  if (given.use_attention_mask) throw new RangeError(`${who}: use_attention_mask true is not carried, only false`);
  const named = Object.fromEntries(Object.entries(given).filter(([key]) => key in defaults));
  const config = { ...defaults, ...named };
  for (const [key, value] of Object.entries(config)) {
    const kind = typeof defaults[key as keyof Config];
    if (
      typeof value !== kind ||
      (kind === 'number' && key !== 'layer_norm_eps' && !(Number.isInteger(value) && Number(value) >= 0))
    )
      throw new RangeError(`${who}: ${key} ${JSON.stringify(value)} makes no sense`);
  }
  if (!Object.hasOwn(activations, config.hidden_act))
    throw new RangeError(
      `${who}: hidden_act ${JSON.stringify(config.hidden_act)} is not carried, only ${Object.keys(activations).join(', ')}`,
    );
  return { ...config, projection: architecture !== who };
}

/**
 * The encoder of captions of CLIP as it was published (Radford et al. 2021), transformers' `CLIPTextModel`: pre-norm
 * blocks in which no position sees a later one, and a last norm. Padding is seen as any token.
 */
export class ClipText {
  readonly tokenEmbedding: Embedding;
  readonly positionEmbedding: Embedding;
  readonly blocks: readonly TransformerBlock[];
  readonly finalNorm: LayerNorm;
  /** Of the pooled vector, in a `CLIPTextModelWithProjection`. */
  readonly projection?: Linear;
  /** How many tokens a caption may have. */
  readonly length: number;
  /** Features of each position. */
  readonly width: number;
  private readonly end: number;

  /**
   * @param config its `config.json`
   * @param options.seed the initial weights are a function of it; 0 by default
   * @param options.init how the weights begin instead, such as `zeroInit` where they are loaded
   * @throws RangeError that names the option and its value that is not carried, or does not fit
   */
  constructor(config: ClipTextConfig = {}, { seed = 0, init }: { seed?: number; init?: Init } = {}) {
    const read = readConfig(config);
    const { hidden_size: width, max_position_embeddings: length, layer_norm_eps: eps } = read;
    const rng = new Random(seed);
    const embedding = (numEmbeddings: number) =>
      new Embedding({ numEmbeddings, embeddingDim: width, init: init ?? normalInit(0.02), rng });
    this.tokenEmbedding = embedding(read.vocab_size);
    this.positionEmbedding = embedding(length);
    const sizes = { width, heads: read.num_attention_heads, hidden: read.intermediate_size, eps };
    const activation = activations[read.hidden_act];
    this.blocks = Array.from(
      { length: read.num_hidden_layers },
      () => new TransformerBlock({ ...sizes, activation, init, rng }),
    );
    this.finalNorm = new LayerNorm({ features: width, eps });
    if (read.projection)
      this.projection = new Linear({ inFeatures: width, outFeatures: read.projection_dim, bias: false, init, rng });
    this.length = length;
    this.width = width;
    this.end = read.eos_token_id;
  }

  /**
   * tokens: [n, positions] int32, at most `length` → what follows the last norm, [n, positions, width], and of the first
   * end of each caption, [n, width], or with a projection [n, projection_dim].
   * @throws RangeError if they are too many, TypeError if they are not int32.
   */
  apply(tokens: tf.Tensor2D): EncodedText {
    const [n, positions] = tokens.shape;
    if (tokens.rank !== 2 || positions > this.length)
      throw new RangeError(`ClipText: expected tokens [n, ${this.length}] or fewer, got [${tokens.shape.join(', ')}]`);
    return tf.tidy(() => {
      const places = tf.slice(this.positionEmbedding.weight, [0, 0], [positions, this.width]);
      let x = tf.add<tf.Tensor3D>(this.tokenEmbedding.apply(tokens), places);
      const mask = causalMask(positions);
      for (const block of this.blocks) x = block.apply(x, mask);
      const sequence = this.finalNorm.apply(x);
      const chosen = tf.reshape<tf.Rank.R3>(this.ends(tokens), [n, positions, 1]);
      const pooled = tf.sum<tf.Tensor2D>(tf.mul(sequence, chosen), 1);
      return { sequence, pooled: this.projection ? this.projection.apply(pooled) : pooled };
    });
  }

  /** 1 where a caption first ends, and 0 elsewhere: [n, positions]. Where none does, it is the first position. */
  private ends(tokens: tf.Tensor2D): tf.Tensor2D {
    // Old configs say 2, wrongly: the end is the greatest id.
    const end = this.end === 2 ? tf.max(tokens, 1, true) : tf.scalar(this.end, 'int32');
    const at = tf.cast<tf.Tensor2D>(tf.equal(tokens, end), 'float32');
    const first = tf.mul(at, tf.cast(tf.equal(tf.cumsum(at, 1), 1), 'float32'));
    const none = tf.sub(1, tf.sum(first, 1, true));
    const start = tf.cast(tf.equal(tf.range(0, tokens.shape[1], 1, 'int32'), 0), 'float32');
    return tf.add(first, tf.mul(none, start));
  }
}

/** Our fields' names in transformers' `CLIPTextModel`, in the order in which they are replaced. */
const NAMES: readonly (readonly [ours: RegExp, theirs: string])[] = [
  [/^tokenEmbedding/, 'embeddings.token_embedding'],
  [/^positionEmbedding/, 'embeddings.position_embedding'],
  [/^blocks/, 'encoder.layers'],
  [/\.norm(\d)\./, '.layer_norm$1.'],
  [/\.attention\.toOut\./, '.self_attn.out_proj.'],
  [/\.attention\.toQ\./, '.self_attn.q_proj.'],
  [/\.attention\.toK\./, '.self_attn.k_proj.'],
  [/\.attention\.toV\./, '.self_attn.v_proj.'],
  [/\.linear(\d)\./, '.mlp.fc$1.'],
  [/^finalNorm/, 'final_layer_norm'],
];

const PROJECTION = 'text_projection.weight';

/** transformers' name of the parameter at a path: `blocks.0.attention.toQ.weight` → `text_model.encoder.layers.0.self_attn.q_proj.weight`. */
export const clipTextTorchName = (path: string): string =>
  path === 'projection.weight'
    ? PROJECTION
    : `text_model.${NAMES.reduce((name, [ours, theirs]) => name.replace(ours, theirs), path)}`;

/**
 * transformers' `CLIPTextModel` with given weights.
 * @param config its `config.json`
 * @param tensors its weights by transformers' names, with or without `text_model.` before them, in PyTorch's layout
 * @throws RangeError that names the option and its value that is not carried; Error that names tensors that are
 * missing, unexpected or misshapen
 */
export function clipTextFromConfig(
  config: ClipTextConfig,
  tensors: ReadonlyMap<string, TensorValues | StoredValues>,
): ClipText {
  const clip = new ClipText(config, { init: zeroInit });
  const own = [...tensors]
    .filter(([name]) => !name.endsWith('embeddings.position_ids'))
    .map(
      ([name, tensor]) =>
        [name === PROJECTION ? name : name.replace(/^(text_model\.)?/, 'text_model.'), tensor] as const,
    );
  try {
    loadTorchTensors(clip, new Map(own), clipTextTorchName);
  } catch (error) {
    disposeParameters(clip);
    throw error;
  }
  return clip;
}

/** Its weights as transformers' `state_dict`: what `clipTextFromConfig` takes, to the bit. */
export const toClipText = (clip: ClipText): Promise<Map<string, TensorValues>> =>
  toTorchTensors(clip, clipTextTorchName);
