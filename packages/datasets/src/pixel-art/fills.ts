/** Red, green and blue, 0 … 255. */
type Colour = readonly [red: number, green: number, blue: number];

/** Pixels that one shape of a drawing covers with one colour. */
export interface Fill {
  /** Their numbers, row by row. */
  readonly pixels: readonly number[];
  /** Bytes, already multiplied by alpha/255. */
  readonly colour: Colour;
  /** How much of what lies below the colour hides, 0 … 255. */
  readonly alpha: number;
}

/** Attributes of a shape's tag that its children take over. */
type Attributes = Readonly<Record<string, string>>;

/**
 * The shapes of an SVG whose every edge lies on a grid of `side` × `side` units: paths of horizontal and vertical lines,
 * groups, and groups seen through a luminance mask of one path. Anything else is refused.
 * @param body the elements inside of `<svg>`
 * @throws Error that names what it cannot draw
 */
export function fillsOf(body: string, side: number): Fill[] {
  const fills: Fill[] = [];
  const masks = new Map<string, Fill>();
  // Each open element's attributes, and where in `fills` its children begin.
  const open: { tag: string; attributes: Attributes; start: number }[] = [];
  for (const [, closing, tag, rest, empty] of body.matchAll(/<(\/?)([a-zA-Z]+)((?:\s[^<>]*?)?)(\/?)>/g)) {
    if (closing) {
      const { attributes, start } = open.pop()!;
      if (tag === 'mask') masks.set(attributes.id, fills.splice(start)[0]);
      const mask = masks.get(/^url\(#(.*)\)$/.exec(attributes.mask ?? '')?.[1] ?? '');
      if (mask) fills.splice(start, Infinity, ...throughMask(fills.slice(start), mask));
      continue;
    }
    const own = Object.fromEntries([...rest.matchAll(/([a-z-]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
    if (tag === 'g' || tag === 'mask') {
      open.push({ tag, attributes: own, start: fills.length });
      continue;
    }
    if (tag !== 'path' || !empty) throw new Error(`cannot draw <${tag}>, only paths in groups`);
    const attributes = open.reduceRight<Attributes>((inner, { attributes: outer }) => ({ ...outer, ...inner }), own);
    const alpha = Math.round(255 * Number(attributes.opacity ?? 1) * Number(attributes['fill-opacity'] ?? 1));
    fills.push({
      pixels: insideOf(attributes.d, side, attributes['fill-rule'] === 'evenodd'),
      colour: each((k) => Math.round((colourOf(attributes.fill)[k] * alpha) / 255)),
      alpha,
    });
  }
  return fills;
}

/** #rrggbb or #rgb as bytes. */
function colourOf(hex: string): Colour {
  const digits = /^#([0-9a-f]{6})$/i.exec(hex)?.[1] ?? /^#([0-9a-f]{3})$/i.exec(hex)?.[1].replace(/./g, '$&$&');
  if (digits === undefined) throw new Error(`cannot draw the colour ${hex}`);
  return each((k) => parseInt(digits.slice(2 * k, 2 * k + 2), 16));
}

/** The pixels whose middle lies inside of a path: a ray to the left crosses its vertical lines. */
function insideOf(d: string, side: number, evenOdd: boolean): number[] {
  const winding = new Int32Array(side * side);
  for (const [x, from, to] of verticals(d)) {
    for (let y = Math.max(0, Math.min(from, to)); y < Math.min(side, Math.max(from, to)); y++) {
      for (let right = Math.max(0, x); right < side; right++) winding[y * side + right] += to > from ? 1 : -1;
    }
  }
  return Array.from(winding.keys()).filter((p) => (evenOdd ? winding[p] % 2 !== 0 : winding[p] !== 0));
}

/** A path's vertical lines, [x, y at the start, y at the end]. */
function verticals(d: string): [x: number, from: number, to: number][] {
  const lines: [number, number, number][] = [];
  let [x, y, startX, startY] = [0, 0, 0, 0];
  const down = (to: number) => {
    if (to !== y) lines.push([x, y, to]);
    y = to;
  };
  for (const [, command, numbers] of d.matchAll(/([a-zA-Z])([^a-zA-Z]*)/g)) {
    const values = (numbers.match(/-?\d+/g) ?? []).map(Number);
    const [first, second] = values;
    const expected = { m: 2, h: 1, v: 1, z: 0 }[command.toLowerCase()];
    if (expected !== values.length || /[.e]/.test(numbers))
      throw new Error(`cannot draw ${command}${numbers}, only lines along a grid`);
    if (command === 'M') [x, y, startX, startY] = [first, second, first, second];
    else if (command === 'm') [x, y, startX, startY] = [x + first, y + second, x + first, y + second];
    else if (command === 'H') x = first;
    else if (command === 'h') x += first;
    else if (command === 'V') down(first);
    else if (command === 'v') down(y + first);
    else {
      // What closes a path in one line is vertical, horizontal, or no line at all.
      if (x !== startX && y !== startY) throw new Error(`cannot draw ${d}: it is not closed along the grid`);
      down(startY);
      x = startX;
    }
  }
  return lines;
}

/** The shapes where a mask is, as dense as it is bright (SVG 1.1, §14.4); they are seen through it as one. */
function throughMask([below, ...above]: readonly Fill[], mask: Fill): Fill[] {
  const [red, green, blue] = mask.colour;
  const alpha = Math.round(0.2125 * red + 0.7154 * green + 0.0721 * blue);
  const colour = above.reduce<Colour>((under, fill) => each((k) => blend(under[k], fill, k)), below.colour);
  return [{ pixels: mask.pixels, colour: each((k) => over256(colour[k] * alpha)), alpha }];
}

/** Channel k of a shape over a byte. */
export function blend(under: number, { colour, alpha }: Fill, k: number): number {
  return colour[k] + over256(under * (255 - alpha));
}

/** A product of two bytes as a byte, rounded as resvg rounds. */
const over256 = (product: number) => (product + 255) >> 8;

const each = (value: (k: number) => number): Colour => [value(0), value(1), value(2)];
