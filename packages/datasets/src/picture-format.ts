import { extname } from 'node:path';

/** Kinds of pictures that are read. */
export type PictureFormat = 'PNG' | 'JPEG' | 'WebP' | 'GIF' | 'TIFF' | 'AVIF';

/** The name of a kind of file that is passed over, of one and of many. */
export type Kind = readonly [one: string, many: string];

/** How many bytes of a file tell what it is. */
export const HEAD_BYTES = 1024;

const SIGNATURES: readonly (readonly [PictureFormat, RegExp])[] = [
  ['PNG', /^\x89PNG\r\n.\n/],
  ['JPEG', /^\xff\xd8\xff/],
  ['WebP', /^RIFF[^]{4}WEBP/],
  ['GIF', /^GIF8[79]a/],
  ['TIFF', /^(II[*+]\0|MM\0[*+])/],
  ['AVIF', /^[^]{4}ftyp[^]{0,60}?avi[fs]/],
];

const OTHERS: readonly (readonly [RegExp, Kind])[] = [
  [/^$/, ['empty file', 'empty files']],
  [
    /^version https:\/\/git-lfs\.github\.com\/spec/,
    ['Git LFS pointer, for git lfs pull', 'Git LFS pointers, for git lfs pull'],
  ],
  [/^BM[^]{4}\0{4}/, ['BMP picture, to be converted to PNG', 'BMP pictures, to be converted to PNG']],
  [/^[^]{4}ftyp(hei|hev|mif|msf)/, ['HEIC picture, to be converted to JPEG', 'HEIC pictures, to be converted to JPEG']],
  [/<svg[\s>]/, ['SVG drawing', 'SVG drawings']],
  [/^(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)/i, ['HTML page', 'HTML pages']],
];

/** Names that promise a picture. */
const PICTURE_NAME = /^\.(png|jpe?g|jfif|webp|gif|tiff?|avif|bmp|hei[cf])$/i;

/** The kind of picture that begins with these bytes. */
export function pictureFormat(head: Uint8Array): PictureFormat | undefined {
  const text = latin1(head);
  return SIGNATURES.find(([, signature]) => signature.test(text))?.[0];
}

/** The kind of a file that is no picture: by how it begins, otherwise by its name. */
export function otherKind(path: string, head: Uint8Array): Kind {
  const text = latin1(head);
  const known = OTHERS.find(([signature]) => signature.test(text))?.[1];
  if (known) return known;
  const extension = extname(path);
  if (extension === '') return ['file without an extension', 'files without an extension'];
  return PICTURE_NAME.test(extension)
    ? [`${extension} that holds no picture`, `${extension} that hold no picture`]
    : [extension, extension];
}

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes.subarray(0, HEAD_BYTES)).toString('latin1');
