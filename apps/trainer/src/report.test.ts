import { createHash } from 'node:crypto';
import { encodePng } from '@ddpm/images/png';
import { describe, expect, test } from '@jest/globals';
import type { History } from './history';
import { addStep, emptyHistory } from './history';
import { evenly } from './records';
import { reportHtml } from './report';

const png = encodePng({ width: 4, height: 2, channels: 1, data: new Uint8Array(8) });
function steps(n: number): History {
  const history = emptyHistory();
  for (let step = 0; step < n; step++) {
    addStep(history, {
      ...{
        step,
        epoch: 0,
        loss: 1 / (step + 1),
        gradNorm: 2,
        imagesPerSecond: 100 + (step % 3),
        seconds: step + 1,
        learningRate: 1e-3,
      },
      quartiles: [0.4, 0.3, null, 0.1],
      ...(step % 50 === 49 && { validationLoss: step === 99 ? 0.01 : 0.02 }),
    });
  }
  return history;
}
const captions = (html: string) => [...html.matchAll(/<figcaption><b>([^<]*)<\/b>/g)].map((match) => match[1]);
const facts = (html: string) =>
  Object.fromEntries([...html.matchAll(/<dt>([^<]*)<\/dt><dd>([^<]*)<\/dd>/g)].map((m) => [m[1], m[2]]));

describe('reportHtml', () => {
  test('shows all that there is', () => {
    const html = reportHtml({
      title: 'A run',
      facts: { Parameters: '1,234' },
      config: { seed: 0, dimMults: [1, 2, 4], out: undefined, model: { network: { name: 'net' } } },
      history: steps(200),
      previews: [100, 2000].map((step) => ({ step, png })),
    });
    expect(captions(html)).toEqual([
      'Loss',
      'Loss by noise level',
      'Gradient norm',
      'Learning rate',
      'Images a second',
    ]);
    expect(html.match(/<svg /g)).toHaveLength(6);
    expect(facts(html)).toEqual({
      Steps: '200',
      'Training time': '3m 20s',
      'Images a second': '101',
      'Training loss': '0.005254',
      'Best validation loss': '0.01 after 100 steps',
      Parameters: '1,234',
    });
    expect(
      [...html.matchAll(/<img src="data:image\/png;base64,([^"]*)" width="4" height="2" alt="([^"]*)"/g)].map(
        (m) => m[2],
      ),
    ).toEqual(['Samples after 100 steps', 'Samples after 2,000 steps']);
    expect(html).toContain(Buffer.from(png).toString('base64'));
    expect(html).toContain('<th scope="row">dimMults</th><td>1, 2, 4</td>');
    expect(html).toContain('<th scope="row">model.<wbr>network.<wbr>name</th><td>net</td>');
    expect(html).not.toContain('>out<');
    expect(html).not.toMatch(/NaN|undefined|\[object/);
  });

  test('leaves out what there is not', () => {
    const bare = reportHtml({ title: 'x', config: {}, history: emptyHistory() });
    expect(bare).not.toMatch(/<section>|<figure|<dt>/);
    const history = emptyHistory();
    const line = {
      step: 0,
      epoch: 0,
      loss: NaN,
      gradNorm: NaN,
      learningRate: 0,
      imagesPerSecond: NaN,
      seconds: 2,
      quartiles: [],
    };
    addStep(history, { ...line, skipped: true });
    const some = reportHtml({ title: 'x', config: {}, history });
    expect(captions(some)).toEqual(['Learning rate']);
    expect(facts(some)).toEqual({ Steps: '1', 'Training time': '2s', 'Skipped steps': '1' });
  });

  test('stays small after many steps, and says how many are drawn as one', () => {
    const html = reportHtml({ title: 'x', config: {}, history: steps(50_000) });
    expect(html.length).toBeLessThan(600_000);
    // 600 buckets: 2⁷ steps each.
    expect(html).toContain(
      '<b>Loss</b> every 128 steps faintly, with the range of their losses, their moving average as a line',
    );
    expect(facts(html)).toMatchObject({ Steps: '50,000', 'Best validation loss': '0.01 after 100 steps' });
  });

  test('of many previews shows some, the first and last among them', () => {
    const some = evenly(
      Array.from({ length: 500 }, (_, i) => i),
      60,
    );
    expect([some.length, some[0], some.at(-1), new Set(some).size]).toEqual([60, 0, 499, 60]);
    expect(evenly([1, 2], 60)).toEqual([1, 2]);
    expect(evenly([], 60)).toEqual([]);
  });

  test('is text, whatever names and settings are', () => {
    const evil = `</title><script>alert(1)</script><img src=x onerror="alert(2)">'&amp;`;
    const html = reportHtml({
      title: evil,
      facts: { [evil]: evil },
      config: { [evil]: evil, list: [evil], deep: { [evil]: [{ evil }] } },
      history: emptyHistory(),
    });
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html).not.toContain('<img');
    expect(html).not.toMatch(/onerror="/);
    expect(html).toContain('&#39;&amp;amp;');
  });

  test('may load nothing, and run its own script alone', () => {
    const html = reportHtml({ title: 'x', config: {}, history: steps(3), previews: [{ step: 1, png }] });
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)![1].replaceAll('&#39;', "'");
    const script = /<script>([\s\S]*)<\/script>/.exec(html)![1];
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`);
    expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|<link|@import|url\(/);
  });

  test('names a preview that is not a picture', () => {
    expect(() =>
      reportHtml({ title: 'x', config: {}, history: emptyHistory(), previews: [{ step: 1, png: Uint8Array.of(1) }] }),
    ).toThrow('PNG: not a PNG file');
  });
});
