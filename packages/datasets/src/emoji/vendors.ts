/** Whose drawings of emoji there are; data/EMOJI-NOTICE.md has authors and licences. */
export interface Vendor {
  /** The word for its style in captions. */
  readonly word: string;
  readonly package: string;
  /** Whether its package is a set of Iconify's, or pictures named by code points. */
  readonly kind: 'iconify' | 'pictures';
}

/** All of them under licences that allow what is made of them to be passed on. */
export const VENDORS: readonly Vendor[] = [
  { word: 'noto', package: '@iconify-json/noto', kind: 'iconify' },
  { word: 'blob', package: '@iconify-json/noto-v1', kind: 'iconify' },
  { word: 'twitter', package: '@iconify-json/twemoji', kind: 'iconify' },
  { word: 'flat', package: '@iconify-json/fluent-emoji-flat', kind: 'iconify' },
  { word: 'gradient', package: '@iconify-json/fluent-emoji', kind: 'iconify' },
  { word: 'classic', package: '@iconify-json/emojione', kind: 'iconify' },
  { word: 'firefox', package: '@iconify-json/fxemoji', kind: 'iconify' },
  { word: '3d', package: '@lobehub/fluent-emoji-3d', kind: 'pictures' },
];

/** Names and keywords of emoji. */
export const NAMES = 'unicode-emoji-json';
export const KEYWORDS = 'emojilib';
