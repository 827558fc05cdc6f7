import { html, render } from 'lit-html';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { choice, fileField, onceAFrame } from '../controls';
import { numberIn } from '../hash';
import { showGrid } from '../pictures';
import { Remote, Superseded } from '../rpc';
import type { Show } from '../view';
import type { BeginRequest, PicturesOpened, TrainNews } from '../workers/train';

const sheetNames = ['portraits', 'digits', 'garments'];

/* Training, as what it draws of the same noise every few seconds. */

export const show: Show = (root, { settings, remember }) => {
  const remote = new Remote(new Worker(new URL('../workers/train.ts', import.meta.url), { type: 'module' }));
  const state = {
    source: sheetNames.includes(settings.pictures) ? settings.pictures : sheetNames[0],
    seed: numberIn(settings.seed, [0, 2 ** 31], 1),
    steps: numberIn(settings.steps, [1, 100_000], 3000),
    threads: settings.threads ? Number(settings.threads) : undefined,
    pictures: undefined as PicturesOpened | undefined,
    phase: 'idle' as 'idle' | 'training' | 'stopped' | 'done',
    step: 0,
    samples: undefined as Uint8Array | undefined,
    status: 'Loading …',
    error: '',
  };
  const curve: [number[], number[]] = [[], []];

  const paint = onceAFrame(() => {
    const { pictures, samples } = state;
    if (!pictures) return;
    const [real, drawn] = root.querySelectorAll<HTMLCanvasElement>('figure canvas');
    showGrid(real, pictures.some, pictures.image, 4);
    if (samples) showGrid(drawn, samples, pictures.image, 4);
  });

  const failed = (error: unknown) => {
    if (error instanceof Superseded) {
      state.phase = 'stopped';
      state.status = `Stopped after ${state.step} of ${state.steps} steps.`;
    } else Object.assign(state, { error: (error as Error).message, phase: 'idle', status: '' });
    draw();
  };

  const goOn = () => {
    state.phase = 'training';
    state.error = '';
    remote
      .ask<void, TrainNews>('train', { every: 3 }, ({ step, loss, stepsPerSecond, samples }) => {
        state.step = step;
        if (samples) state.samples = samples;
        if (step > 0 && Number.isFinite(loss) && loss > 0) {
          curve[0].push(step);
          curve[1].push(loss);
          plot.setData(curve);
        }
        if (state.phase === 'training' && step > 0)
          state.status = `Step ${step} of ${state.steps}, ${stepsPerSecond.toFixed(1)} steps a second, loss ${loss.toFixed(3)}`;
        draw();
      })
      .then(() => {
        state.phase = 'done';
        state.status = `Trained for ${state.steps} steps.`;
        draw();
      }, failed);
    draw();
  };

  const begin = () => {
    const { pictures, seed, steps, threads } = state;
    if (!pictures) return;
    curve[0].length = curve[1].length = 0;
    const request: BeginRequest = { seed, steps, threads, batch: 32 };
    Object.assign(state, {
      phase: 'training',
      step: 0,
      samples: undefined,
      error: '',
      status: 'Compiling the network …',
    });
    draw();
    remote.ask<{ parameters: number }>('begin', request).then(goOn, failed);
  };

  const save = () =>
    remote.ask<Uint8Array<ArrayBuffer>>('save').then((bytes) => {
      const a = document.createElement('a');
      a.href = URL.createObjectURL(new Blob([bytes]));
      a.download = 'checkpoint.safetensors';
      a.click();
      setTimeout(() => URL.revokeObjectURL(a.href), 1000);
    }, failed);

  const open = (source: string | readonly File[]) =>
    remote.ask<PicturesOpened>('open', source).then((loaded) => {
      Object.assign(state, { pictures: loaded, phase: 'idle', step: 0, samples: undefined, error: '' });
      state.status = `${loaded.count} pictures. Press Train.`;
      remember({ pictures: state.source, seed: String(state.seed), steps: String(state.steps) });
      draw();
    }, failed);

  /** Ends what is being trained, and opens other pictures. */
  const change = (name: string, source: string | readonly File[]) => {
    state.source = name;
    remote.stop('train');
    void open(source);
    draw();
  };

  function draw(): void {
    const { phase } = state;
    render(
      html`
        <h2>Train it</h2>
        <p class="what">
          A U-Net learns pictures of 16×16 in this page. Every few seconds it draws from the same noise; what a loss
          curve hides shows there.
        </p>
        <div class="view">
          <div>
            <div class="pictures">
              <figure>
                <canvas width="16" height="16" role="img" aria-label="Pictures to learn"></canvas>
                <figcaption>Of what it learns</figcaption>
              </figure>
              <figure>
                <canvas width="16" height="16" role="img" aria-label="Pictures that it draws"></canvas>
                <figcaption>What it draws${state.step > 0 ? `, after ${state.step} steps` : ''}</figcaption>
              </figure>
            </div>
            <p role="status">${state.status}</p>
            <p role="alert">${state.error}</p>
            <div class="plot"></div>
          </div>
          <div class="controls">
            ${choice({
              label: 'Pictures',
              value: state.source,
              options: [
                ...sheetNames.map((name) => [name, name] as const),
                ...(sheetNames.includes(state.source) ? [] : [[state.source, state.source] as const]),
              ],
              change: (source) => change(source, source),
            })}
            ${fileField({
              ...{ label: 'Or your own, several files', accept: 'image/*', multiple: true },
              change: (files) => change('your own', files),
            })}
            <div class="row">
              ${
                phase === 'training'
                  ? html`<button class="main" @click=${() => remote.stop('train')}>Stop</button>`
                  : phase === 'stopped'
                    ? html`<button class="main" @click=${goOn}>Go on</button
                        ><button @click=${begin}>From the start</button>`
                    : html`<button class="main" ?disabled=${!state.pictures} @click=${begin}>Train</button>`
              }
              <button ?disabled=${state.step === 0 || phase === 'training'} @click=${save}>
                Download the checkpoint
              </button>
            </div>
            <details>
              <summary>What to do with the checkpoint</summary>
              <p>Drop it on the view <a href="#denoise">Denoise</a>, or draw with it in Node:</p>
              <pre>npx ddpm-sample checkpoint.safetensors</pre>
            </details>
          </div>
        </div>
      `,
      root,
    );
    paint();
  }

  draw();
  const holder = root.querySelector<HTMLElement>('.plot')!;
  const style = getComputedStyle(root);
  const axis = { stroke: style.getPropertyValue('--soft'), grid: { stroke: style.getPropertyValue('--line') } };
  const plot = new uPlot(
    {
      ...{ width: Math.min(640, holder.clientWidth || 640), height: 160, legend: { show: false } },
      scales: { x: { time: false }, y: { distr: 3 } },
      axes: [axis, axis],
      series: [{}, { label: 'loss', stroke: style.getPropertyValue('--accent'), width: 2 }],
    },
    curve,
    holder,
  );
  void open(state.source);
  return {
    take: (files) => change('your own', files),
    leave() {
      plot.destroy();
      remote.end();
    },
  };
};
