/** An image of at most 256 colours. */
export interface Indexed {
  /** [r, g, b] each, 0 … 255. */
  readonly palette: Colour[];
  /** Each pixel's place in the palette. */
  readonly index: Uint8Array;
}

type Colour = number[];

/** Colours that occur, packed as 0xrrggbb, and how often each does. */
interface Colours {
  readonly rgb: Uint32Array;
  readonly counts: Uint32Array;
}

const COLOURS = 256;
/** How often colours choose the nearest of the palette, and this becomes their mean. */
const ROUNDS = 2;

const channel = (rgb: number, axis: number) => (rgb >> (16 - 8 * axis)) & 255;
const unpack = (rgb: number): Colour => [channel(rgb, 0), channel(rgb, 1), channel(rgb, 2)];

/**
 * An image in at most 256 colours: in its own, if they are no more, otherwise in those that a search for the least
 * squared error finds.
 * Every bit of a channel counts.
 * @param rgb [pixels, 3], fewer than 2²⁹ pixels
 */
export function quantize(rgb: Uint8Array): Indexed {
  const pixels = rgb.length / 3;
  // The colour and the place of a pixel in one number: once sorted, pixels of one colour stand together.
  const sorted = new Float64Array(pixels);
  for (let p = 0; p < pixels; p++)
    sorted[p] = ((rgb[3 * p] << 16) | (rgb[3 * p + 1] << 8) | rgb[3 * p + 2]) * pixels + p;
  sorted.sort();
  const found = new Uint32Array(pixels);
  const counts = new Uint32Array(pixels);
  let n = 0;
  for (const one of sorted) {
    const colour = Math.floor(one / pixels);
    if (n === 0 || colour !== found[n - 1]) found[n++] = colour;
    counts[n - 1]++;
  }
  const colours = { rgb: found.subarray(0, n), counts: counts.subarray(0, n) };

  const palette = n <= COLOURS ? Array.from(colours.rgb, unpack) : bestPalette(colours);
  const chosen = nearest(colours.rgb, palette);
  const index = new Uint8Array(pixels);
  for (let c = 0, i = 0; c < n; c++) {
    for (const end = i + counts[c]; i < end; i++) index[sorted[i] % pixels] = chosen[c];
  }
  return { palette, index };
}

/** Means of boxes, moved to the means of what is nearest to them (Lloyd 1982, "Least squares quantization in PCM"). */
function bestPalette(colours: Colours): Colour[] {
  let palette = boxMeans(colours);
  for (let round = 0; round < ROUNDS; round++) palette = means(colours, nearest(colours.rgb, palette), palette);
  return palette.map((colour) => colour.map(Math.round));
}

/** The mean of the colours that chose each of the palette; where none did, it stays. */
function means({ rgb, counts }: Colours, chosen: Uint8Array, palette: readonly Colour[]): Colour[] {
  const totals = new Float64Array(palette.length);
  const sums = palette.map(() => [0, 0, 0]);
  for (let c = 0; c < rgb.length; c++) {
    const sum = sums[chosen[c]];
    totals[chosen[c]] += counts[c];
    for (let axis = 0; axis < 3; axis++) sum[axis] += counts[c] * channel(rgb[c], axis);
  }
  return sums.map((sum, k) => (totals[k] > 0 ? sum.map((s) => s / totals[k]) : palette[k]));
}

/** The place in the palette that is nearest to each colour. */
function nearest(rgb: Uint32Array, palette: readonly Colour[]): Uint8Array {
  const bySum = palette.map(([r, g, b], k) => ({ r, g, b, k, sum: r + g + b })).sort((x, y) => x.sum - y.sum);
  const [reds, greens, blues] = (['r', 'g', 'b'] as const).map((name) =>
    Float64Array.from(bySum, (colour) => colour[name]),
  );
  const sums = Float64Array.of(...bySum.map(({ sum }) => sum), Infinity);
  const firstAbove = new Uint16Array(3 * 255 + 1);
  for (let sum = 0, at = 0; sum < firstAbove.length; sum++) {
    while (sums[at] < sum) at++;
    firstAbove[sum] = at;
  }
  const chosen = new Uint8Array(rgb.length);
  for (let c = 0; c < rgb.length; c++) {
    const r = channel(rgb[c], 0);
    const g = channel(rgb[c], 1);
    const b = channel(rgb[c], 2);
    let above = firstAbove[r + g + b];
    let below = above - 1;
    let best = Infinity;
    for (;;) {
      const up = sums[above] - (r + g + b);
      const down = below < 0 ? Infinity : r + g + b - sums[below];
      const gap = Math.min(up, down);
      // |Δ|² ≥ |Δ(r + g + b)|² / 3: what is left is farther away.
      if (gap * gap >= 3 * best || gap === Infinity) break;
      const at = up <= down ? above++ : below--;
      const distance = (reds[at] - r) ** 2 + (greens[at] - g) ** 2 + (blues[at] - b) ** 2;
      if (distance >= best) continue;
      best = distance;
      chosen[c] = bySum[at].k;
    }
  }
  return chosen;
}

/** Colours from `start` to `end`, and the best place to cut them in two. */
interface Box {
  readonly start: number;
  readonly end: number;
  readonly mean: Colour;
  /** Those up to this level of a channel, and the rest: by how much the squared error falls. */
  readonly cut: { readonly axis: number; readonly level: number; readonly gain: number };
}

/**
 * The means of 256 boxes, cut in two where the squared error falls most (Wu 1991, "Efficient statistical computations
 * for optimal color quantization", who has 5 bits a channel).
 */
function boxMeans(colours: Colours): Colour[] {
  const rgb = colours.rgb.slice();
  const counts = colours.counts.slice();
  const boxes = [boxOf({ rgb, counts }, 0, rgb.length)];
  while (boxes.length < COLOURS) {
    const at = boxes.reduce((best, { cut }, i) => (cut.gain > boxes[best].cut.gain ? i : best), 0);
    const { start, end, cut } = boxes[at];
    let middle = start;
    for (let i = start; i < end; i++) {
      if (channel(rgb[i], cut.axis) > cut.level) continue;
      [rgb[i], rgb[middle]] = [rgb[middle], rgb[i]];
      [counts[i], counts[middle]] = [counts[middle], counts[i]];
      middle++;
    }
    boxes[at] = boxOf({ rgb, counts }, start, middle);
    boxes.push(boxOf({ rgb, counts }, middle, end));
  }
  return boxes.map(({ mean }) => mean);
}

function boxOf({ rgb, counts }: Colours, start: number, end: number): Box {
  const total = [0, 0, 0, 0];
  let cut = { axis: 0, level: 0, gain: 0 };
  for (let axis = 0; axis < 3; axis++) {
    // At each level: how many, and the sums of their red, green and blue.
    const sums = new Float64Array(4 * 256);
    let [low, high] = [255, 0];
    for (let i = start; i < end; i++) {
      const level = channel(rgb[i], axis);
      const count = counts[i];
      sums[4 * level] += count;
      sums[4 * level + 1] += count * channel(rgb[i], 0);
      sums[4 * level + 2] += count * channel(rgb[i], 1);
      sums[4 * level + 3] += count * channel(rgb[i], 2);
      if (level < low) low = level;
      if (level > high) high = level;
    }
    total.fill(0);
    for (let at = 4 * low; at < 4 * high + 4; at++) total[at % 4] += sums[at];
    const below = [0, 0, 0, 0];
    for (let level = low; level < high; level++) {
      for (let k = 0; k < 4; k++) below[k] += sums[4 * level + k];
      const above = total[0] - below[0];
      let distance = 0;
      for (let k = 1; k < 4; k++) distance += (below[k] / below[0] - (total[k] - below[k]) / above) ** 2;
      const gain = ((below[0] * above) / total[0]) * distance;
      if (gain > cut.gain) cut = { axis, level, gain };
    }
  }
  return { start, end, mean: total.slice(1).map((sum) => sum / total[0]), cut };
}
