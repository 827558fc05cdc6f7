import { fileURLToPath } from 'node:url';
import { Resvg } from '@resvg/resvg-js';
import { withChannels } from './bytes';
import type { ByteImage } from './image';
import { checkAlike } from './image';
import { enlarge } from './grid';
import { encodePng } from './png';

// As in plot.ts, so that text is the same on every machine.
const FONT = fileURLToPath(new URL('../fonts/inter.ttf', import.meta.url));

/** The height of a line of text, and the width of a letter on average, in pixels. */
const [LINE, LETTER] = [13, 5.6];

/**
 * n images of one size as one picture on white, a caption under each, in Inter.
 * @param captions one for each image; lines are broken at spaces
 * @param options.columns 4 by default
 * @param options.cell images are enlarged to about so many pixels, as squares of pixels; 128 by default
 * @returns RGB
 * @throws RangeError if there is no image, they differ in size or channels, or there are not as many captions
 */
export function captionedGrid(
  images: readonly ByteImage[],
  captions: readonly string[],
  { columns = 4, cell = 128 }: { columns?: number; cell?: number } = {},
): ByteImage {
  checkAlike(images, 'captionedGrid');
  if (captions.length !== images.length)
    throw new RangeError(
      `captionedGrid: expected ${images.length} captions, one for each image, got ${captions.length}`,
    );
  const factor = Math.max(1, Math.floor(cell / Math.max(images[0].width, images[0].height)));
  const [width, height] = [images[0].width * factor, images[0].height * factor];
  const lines = captions.map((caption) => broken(caption, Math.floor(width / LETTER)));
  const text = LINE * Math.max(1, ...lines.map(({ length }) => length)) + 6;
  const [across, gap] = [Math.min(columns, images.length), 8];
  const [stepX, stepY] = [width + gap, height + text + gap];
  const cells = images.map((image, i) => {
    const [x, y] = [gap + (i % across) * stepX, gap + Math.floor(i / across) * stepY];
    const png = Buffer.from(encodePng(enlarge(image, factor))).toString('base64');
    const spans = lines[i].map(
      (line, k) => `<tspan x="${x}" y="${y + height + LINE * (k + 1)}">${escaped(line)}</tspan>`,
    );
    return `<image x="${x}" y="${y}" width="${width}" height="${height}" href="data:image/png;base64,${png}"/><text>${spans.join('')}</text>`;
  });
  const size = [gap + across * stepX, gap + Math.ceil(images.length / across) * stepY];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${size[0]}" height="${size[1]}" font-family="Inter" font-size="10.5">${cells.join('')}</svg>`;
  const font = { fontFiles: [FONT], loadSystemFonts: false, defaultFontFamily: 'Inter' };
  const { pixels } = new Resvg(svg, { background: 'white', font }).render();
  return withChannels({ width: size[0], height: size[1], channels: 4, data: new Uint8Array(pixels) }, 3);
}

/** Lines of at most so many letters, if its words allow. */
function broken(caption: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of caption.split(/\s+/)) {
    const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : '';
    if (longer !== '' && longer.length <= most) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
const escaped = (text: string) => text.replace(/[&<>]/g, (character) => ENTITIES[character]);
