import { samplers } from '@ddpm/models';
import { defineConfig } from 'vite';

/** With these two headers a page may share memory between threads. This one does without. */
const isolated = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

export default defineConfig({
  // Wherever it lies.
  base: './',
  // The list alone: what samples runs in workers.
  define: {
    SAMPLERS: JSON.stringify(
      Object.fromEntries(Object.entries(samplers).map(([name, { does, steps }]) => [name, { does, steps }])),
    ),
  },
  worker: { format: 'es' },
  build: { target: 'es2022', chunkSizeWarningLimit: 2000 },
  server: { headers: isolated },
  preview: { headers: isolated },
});
