import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { Result } from './index';
import { addResults, evaluationSection, readResults, resultTable, withEvaluation } from './index';

const measures = {
  ...{ n: 1024, frechetDistance: 95.27, kernelDistance: { value: 2.2714, error: 0.065 }, precision: 0.064 },
  recall: 0.016,
};
const result: Result = {
  ...{ of: 'run', step: 1000, seed: 3, ...measures },
  how: { sampler: 'ddim', steps: 50, spacing: 'trailing', eta: 0, prior: 'standard' },
  features: { name: 'a<b', hash: '76f2cc431911', width: 128 },
  reference: { dataset: 'fashion-mnist', n: 60000 },
  floor: { ...measures, frechetDistance: 0.291, classAccuracy: 0.92 },
};

test('results stand side by side with what real images score', () => {
  expect(resultTable([result, { ...result, of: 'another', n: 99, frechetDistance: 123.4 }])).toMatchInlineSnapshot(`
   "                n  Fréchet            KID  precision  recall  right class
   run          1024     95.3  2.271 ± 0.065       6.4%    1.6%
   another        99      123  2.271 ± 0.065       6.4%    1.6%
   real images  1024     0.29  2.271 ± 0.065       6.4%    1.6%        92.0%"
  `);
});

test('a report gets a section, whose place the next one takes', () => {
  const first = evaluationSection([result]);
  expect(first).toContain('<td>after 1,000 steps: ddim, 50 steps, seed 3</td><td>1024</td><td>95.3</td>');
  expect(first).toContain('a&lt;b (76f2cc431911)');
  expect(evaluationSection([])).toBe('');
  const second = evaluationSection([result, result], Uint8Array.of(1, 2, 3));
  expect(second).toContain('src="data:image/png;base64,AQID"');
  const [before, last] = ['<section>\n<h2>Curves</h2>\n</section>\n', '<script>x</script>\n</body>\n'];
  const configuration = '<section>\n<h2>Configuration</h2>\n</section>\n';
  for (const after of [configuration + last, last]) {
    const report = withEvaluation(before + after, first);
    expect(report).toBe(before + first + after);
    expect(withEvaluation(report, second)).toBe(before + second + after);
  }
});

test('a folder keeps one result of the same, the last', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ddpm-results-'));
  try {
    expect(await readResults(folder)).toEqual([]);
    await addResults(folder, [result, { ...result, seed: 4 }]);
    await addResults(folder, [{ ...result, recall: 0.5 }]);
    expect((await readResults(folder)).map(({ seed, recall }) => [seed, recall])).toEqual([
      [4, 0.016],
      [3, 0.5],
    ]);
    writeFileSync(join(folder, 'evaluation.json'), '{');
    await expect(readResults(folder)).rejects.toThrow('evaluation.json is not a list of results; move it away');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
