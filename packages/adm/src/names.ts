import { namedParameters } from '@ddpm/layers';
import type { Resampler } from './blocks';
import { ConvDownsample, ConvUpsample } from './blocks';
import { ResBlock } from './res-block';

/** Another library's names of the parts of a network, whatever their places. */
export interface Vocabulary {
  readonly block: Readonly<Record<'norm1' | 'conv1' | 'emb' | 'norm2' | 'conv2' | 'skip', string>>;
  /** By our field's path in the layer. */
  readonly attention: Readonly<Record<string, string>>;
  /** The convolutions that change the size. */
  readonly down: string;
  readonly up: string;
}

/** The places of parts in another library: our path, and its. */
export class Places {
  private readonly names = new Map<string, string>();

  constructor(private readonly words: Vocabulary) {}

  /** A layer whose own fields have the same names on both sides, or a parameter. */
  add(ours: string, theirs: string): void {
    this.names.set(ours, theirs);
  }

  block(ours: string, theirs: string): void {
    for (const [field, name] of Object.entries(this.words.block)) this.add(`${ours}.${field}`, `${theirs}.${name}`);
  }

  attention(ours: string, theirs: string): void {
    for (const [field, name] of Object.entries(this.words.attention)) this.add(`${ours}.${field}`, `${theirs}.${name}`);
  }

  resampler(ours: string, theirs: string, resampler: Resampler): void {
    if (resampler instanceof ResBlock) this.block(ours, theirs);
    else if (resampler instanceof ConvDownsample) this.add(`${ours}.conv`, `${theirs}.${this.words.down}`);
    else if (resampler instanceof ConvUpsample) this.add(`${ours}.conv`, `${theirs}.${this.words.up}`);
  }

  /**
   * By our path, the other library's name of every parameter of a network.
   * @throws Error if a parameter has no place, which is an error here
   */
  of(network: object): Map<string, string> {
    return new Map(
      [...namedParameters(network).keys()].map((path) => {
        const end = path.lastIndexOf('.');
        const layer = this.names.get(path.slice(0, end));
        const name = this.names.get(path) ?? (layer === undefined ? undefined : `${layer}.${path.slice(end + 1)}`);
        if (name === undefined) throw new Error(`${path} has no place`);
        return [path, name];
      }),
    );
  }
}
