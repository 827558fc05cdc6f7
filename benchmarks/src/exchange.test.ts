import { execFileSync } from 'node:child_process';
import { expect, test } from '@jest/globals';

test('exported U-Nets compute the same in onnxruntime-web, for any batch', () => {
  const table = execFileSync(process.execPath, ['exchange-onnx.mjs', '--no-python'], { encoding: 'utf8' });
  expect(table.match(/^\| (ConvNeXt|ResNet) \| [13] \| \d\.\de-\d+ \|$/gm)).toHaveLength(4);
});
