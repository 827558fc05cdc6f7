// Writes fonts/inter.ttf, the part of Inter (https://rsms.me/inter, SIL Open Font License) that plots use. Run once, in
// an empty folder:
//   npm install subset-font@2.9.0 @expo-google-fonts/inter@0.4.2 && node …/packages/images/scripts/make-font.mjs
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'index.js'));
const subset = require('subset-font');
const inter = (file) => require.resolve(`@expo-google-fonts/inter/${file}`);

const range = (from, to) => String.fromCodePoint(...Array.from({ length: to - from + 1 }, (_, i) => from + i));
const latin = range(0x20, 0x7e) + range(0xa0, 0x17f);
// ᾱ is there as one character too, which is how text that begins with Greek is drawn.
const greek = range(0x370, 0x3ff) + '\u1fb1';
const marks = range(0x300, 0x308) + range(0x2010, 0x2026) + range(0x2070, 0x209c);
const maths = '′″←↑→↓−√∞≈≠≤≥∑∏∂∇∈∼‖⟨⟩';

const font = readFileSync(inter('400Regular/Inter_400Regular.ttf'));
const options = { targetFormat: 'truetype', keepFeatures: ['kern', 'mark', 'mkmk', 'ccmp', 'tnum'] };
const fonts = new URL('../fonts/', import.meta.url);
mkdirSync(fonts, { recursive: true });
writeFileSync(new URL('inter.ttf', fonts), await subset(font, latin + greek + marks + maths, options));
copyFileSync(inter('LICENSE_FONT'), new URL('LICENSE', fonts));
