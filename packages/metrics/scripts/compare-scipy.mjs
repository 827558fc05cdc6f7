// Compares every metric with SciPy and NumPy: the Fréchet distance with scipy.linalg.sqrtm, as pytorch-fid has it, the
// kernel distance with torch-fidelity's polynomial_mmd, precision and recall with whole distance matrices. Where there
// is no full rank, the differences in the Fréchet distance are sqrtm's: roots of eigenvalues that should be 0.
// Needs the package built, and a Python with numpy and scipy: node scripts/compare-scipy.mjs [python]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '@ddpm/random';
import { frechetDistance, kernelDistance, moments, precisionRecall } from '../dist/index.js';

const python = process.argv[2] ?? 'python3';

/** Rows with a random covariance of the given rank, after ReLU half of the time, as features of images are. */
function rows(seed, n, width, { rank = width, shift = 0, relu = false }) {
  const rng = new Random(seed);
  const mix = new Random(['mix', width]).normals(rank * width);
  const data = new Float64Array(n * width);
  for (let i = 0; i < n; i++) {
    const z = rng.normals(rank);
    for (let j = 0; j < width; j++) {
      let sum = shift;
      for (let k = 0; k < rank; k++) sum += (z[k] * mix[k * width + j]) / Math.sqrt(rank);
      data[i * width + j] = relu ? Math.max(sum, 0) : sum;
    }
  }
  return { data, width };
}

const cases = [
  { name: 'n > width', n: 400, width: 64 },
  { name: 'after ReLU', n: 500, width: 128, relu: true },
  { name: 'n < width', n: 40, width: 100 },
  { name: 'of rank 5', n: 300, width: 50, rank: 5 },
  { name: 'far from 0', n: 200, width: 30, offset: 100 },
].map(({ name, n, width, rank, relu, offset = 0 }) => {
  const a = rows(1, n, width, { rank, relu, shift: offset });
  const b = rows(2, n, width, { rank, relu, shift: offset + 0.3 });
  // Blocks of the same rows, dealt as kernelDistance does.
  const orders = [0, 1].map((i) =>
    new Random(['kernel-distance', i, 0]).shuffle(Int32Array.from({ length: n }, (_, k) => k)),
  );
  return { name, n, width, a, b, orders };
});

const program = `
import json, sys, numpy as np
from scipy import linalg
def frechet(a, b):
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(s1 @ s2)
    return float(((a.mean(0) - b.mean(0))**2).sum() + np.trace(s1) + np.trace(s2) - 2 * np.trace(root).real)
def mmd(x, y):
    k = lambda u, v: (u @ v.T / u.shape[1] + 1)**3
    m = len(x); xx, yy, xy = k(x, x), k(y, y), k(x, y)
    return (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (m * (m - 1)) - 2 * xy.sum() / m**2
def within(rows, others):
    d = lambda u, v: np.sqrt(((u[:, None] - v[None])**2).sum(-1))
    radii = np.sort(d(others, others), 1)[:, 3]
    return float((d(rows, others) <= radii[None]).any(1).mean())
out = []
for c in json.load(open(sys.argv[1])):
    a, b = (np.array(c[k]).reshape(c['n'], c['width']) for k in 'ab')
    size = c['n'] // 10
    values = [mmd(a[c['orders'][0][i * size:(i + 1) * size]], b[c['orders'][1][i * size:(i + 1) * size]]) for i in range(10)]
    out.append([frechet(a, b), float(np.mean(values)), float(np.std(values, ddof=1) / 10**.5), within(b, a), within(a, b)])
print(json.dumps(out))
`;
const folder = mkdtempSync(join(tmpdir(), 'ddpm-metrics-'));
const path = join(folder, 'cases.json');
writeFileSync(
  path,
  JSON.stringify(
    cases.map(({ n, width, a, b, orders }) => ({
      ...{ n, width, a: [...a.data], b: [...b.data], orders: orders.map((order) => [...order]) },
    })),
  ),
);
const { stdout, stderr, status } = spawnSync(python, ['-c', program, path], { encoding: 'utf8', maxBuffer: 2 ** 28 });
rmSync(folder, { recursive: true });
if (status !== 0) throw new Error(`${python} failed: ${stderr.trim().split('\n').at(-1)}`);

let worst = 0;
JSON.parse(stdout).forEach((expected, i) => {
  const { name, a, b } = cases[i];
  const kernel = kernelDistance(a, b);
  const { precision, recall } = precisionRecall({ real: a, generated: b });
  const ours = [frechetDistance(moments(a), moments(b)), kernel.value, kernel.error, precision, recall];
  const errors = ours.map((value, k) => Math.abs(value - expected[k]) / Math.max(Math.abs(expected[k]), 1e-12));
  worst = Math.max(worst, ...errors);
  const shown = ['Fréchet', 'kernel', 'its error', 'precision', 'recall'].map(
    (what, k) => `${what} ${ours[k].toPrecision(10)} (${errors[k].toExponential(1)})`,
  );
  console.log(`${name.padEnd(12)} ${shown.join('  ')}`);
});
console.log(`largest relative difference: ${worst.toExponential(1)}`);
if (!(worst < 1e-6)) process.exitCode = 1;
