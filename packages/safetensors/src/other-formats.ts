const latin1 = new TextDecoder('latin1');
const startsWith = (bytes: Uint8Array, ...start: number[]) => start.every((byte, i) => bytes[i] === byte);
const isZip = (bytes: Uint8Array) => startsWith(bytes, 0x50, 0x4b, 3, 4);
const convert = 'read it with @ddpm/torch-file';

/** Other formats that are often found where weights are looked for, by their first bytes. */
const formats: readonly { readonly message: string; readonly matches: (bytes: Uint8Array, text: string) => boolean }[] =
  [
    { message: 'the file is empty', matches: ({ length }) => length === 0 },
    {
      message: 'this is a Git LFS pointer, not the file that it stands for; fetch that with git lfs pull',
      matches: (_, text) => text.startsWith('version https://git-lfs.github.com/spec/'),
    },
    {
      message: 'this is a web page (HTML), not what the link was to lead to',
      matches: (_, text) => /^(\u00ef\u00bb\u00bf)?\s*<(!doctype html|html|head)\b/i.test(text),
    },
    {
      // torch.save: the first entry of the archive, whose name begins at byte 30, is <some name>/data.pkl.
      message: `this is a PyTorch pickle (zip); ${convert}`,
      matches: (bytes, text) => isZip(bytes) && /^[^\0]+\/data\.pkl/.test(text.slice(30)),
    },
    { message: 'this is a zip archive', matches: isZip },
    {
      // PROTO and the protocol's number: pickle.dump, and torch.save before 1.6. A header of 640, 896, 1152 or 1408
      // bytes begins like that, and its text with "{".
      message: `this is a Python pickle, such as old PyTorch files are; ${convert}`,
      matches: (bytes) => bytes[0] === 0x80 && bytes[1] >= 2 && bytes[1] <= 5 && bytes[8] !== 0x7b,
    },
    {
      message: 'this is an HDF5 file, such as Keras writes',
      matches: (bytes) => startsWith(bytes, 0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a),
    },
    { message: 'this is a GGUF file', matches: (_, text) => text.startsWith('GGUF') },
    { message: 'the file is compressed by gzip; unpack it first', matches: (bytes) => startsWith(bytes, 0x1f, 0x8b) },
  ];

/** The kind of a file that is not safetensors, as a sentence, where its first 200 bytes tell. */
export function otherFormat(bytes: Uint8Array): string | undefined {
  const text = latin1.decode(bytes.subarray(0, 200));
  return formats.find(({ matches }) => matches(bytes, text))?.message;
}
