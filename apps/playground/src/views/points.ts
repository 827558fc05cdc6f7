import { samplers } from '../samplers';
import { html, render } from 'lit-html';
import { choice, mayMove, onceAFrame, seedField, slider } from '../controls';
import { numberIn } from '../hash';
import type { At, Strokes } from '../pen';
import { penHelp, penOn, showCursor } from '../pen';
import { Remote, Superseded } from '../rpc';
import { fromText, shape, shapeNames, toText } from '../shapes';
import type { Show } from '../view';
import type { SampleRequest, TrainProgress, Ways } from '../workers/points';

/* Points of the plane: drawn, learned in seconds, and the ways from noise to them by any sampler. */

const count = 400;
const steps = 300;
const extent = 1.7;
/** A canvas shows [−extent, extent] on so many pixels. */
const pixels = 560;
const at = (v: number) => ((v / extent + 1) / 2) * pixels;

export const show: Show = (root, { settings, remember }) => {
  const remote = new Remote(new Worker(new URL('../workers/points.ts', import.meta.url), { type: 'module' }));
  const state = {
    shape: shapeNames.includes(settings.shape) ? settings.shape : 'spiral',
    drawn: settings.points ? fromText(settings.points) : new Float32Array(),
    seed: numberIn(settings.seed, [0, 2 ** 31], 1),
    samplers: [settings.a, settings.b].map((name, i) =>
      Object.hasOwn(samplers, name ?? '') ? name : ['dpm++2m', 'euler-ancestral'][i],
    ),
    steps: numberIn(settings.steps, [2, 100], 20),
    time: 1,
    ways: [undefined, undefined] as (Ways | undefined)[],
    field: undefined as { at: Float32Array; x0: Float32Array } | undefined,
    learned: 0,
    status: 'Loading …',
    error: '',
  };
  const points = () => (state.drawn.length > 0 ? state.drawn : shape(state.shape));
  let playing = 0;

  const request = (which: number): SampleRequest => {
    const sampler = state.samplers[which];
    // Of the whole chain, all of its steps.
    return { sampler, steps: samplers[sampler].steps === 'all' ? undefined : state.steps, count, seed: state.seed };
  };

  const paint = onceAFrame(() => {
    const style = getComputedStyle(root);
    const [ink, soft, accent] = ['--ink', '--soft', '--accent'].map((name) => style.getPropertyValue(name));
    const data = points();
    for (const [which, canvas] of [...root.querySelectorAll('canvas')].entries()) {
      const context = canvas.getContext('2d')!;
      context.clearRect(0, 0, pixels, pixels);
      const dots = (values: Float32Array, radius: number) => {
        for (let i = 0; i < values.length; i += 2)
          context.fillRect(at(values[i]) - radius, at(values[i + 1]) - radius, 2 * radius, 2 * radius);
      };
      context.fillStyle = soft;
      context.globalAlpha = 0.35;
      dots(data, 1.5);
      const ways = state.ways[which];
      if (which === 0 && state.field && state.learned >= steps) {
        const { at: from, x0 } = state.field;
        context.strokeStyle = soft;
        context.beginPath();
        for (let i = 0; i < from.length; i += 2) {
          const [dx, dy] = [x0[i] - from[i], x0[i + 1] - from[i + 1]];
          context.moveTo(at(from[i]), at(from[i + 1]));
          context.lineTo(at(from[i] + 0.12 * dx), at(from[i + 1] + 0.12 * dy));
        }
        context.stroke();
      }
      if (ways) {
        const last = ways.xs.length - 1;
        const place = state.time * last;
        const [index, part] = [Math.min(last - 1, Math.floor(place)), place - Math.min(last - 1, Math.floor(place))];
        context.strokeStyle = accent;
        context.globalAlpha = 0.25;
        context.lineWidth = 1;
        context.beginPath();
        for (let i = 0; i < 2 * 60; i += 2) {
          context.moveTo(at(ways.xs[0][i]), at(ways.xs[0][i + 1]));
          for (let k = 1; k <= index + 1; k++) context.lineTo(at(ways.xs[k][i]), at(ways.xs[k][i + 1]));
        }
        context.stroke();
        context.globalAlpha = 1;
        context.fillStyle = ink;
        const now = ways.xs[index].map((v, i) => v + part * (ways.xs[index + 1][i] - v));
        dots(now, 2.2);
      }
      context.globalAlpha = 1;
      if (which === 0 && pen.cursor) showCursor(context, pen.cursor, 32);
    }
  });

  const update = () => {
    remember({
      ...(state.drawn.length > 0 ? { points: toText(state.drawn) } : { shape: state.shape }),
      ...{ a: state.samplers[0], b: state.samplers[1], steps: String(state.steps), seed: String(state.seed) },
    });
    draw();
  };

  const failed = (error: unknown) => {
    if (error instanceof Superseded) return;
    state.error = (error as Error).message;
    draw();
  };

  /** From noise to points, as a film. */
  const play = () => {
    cancelAnimationFrame(playing);
    if (!mayMove()) return;
    const begun = performance.now();
    const advance = () => {
      state.time = Math.min(1, (performance.now() - begun) / 2500);
      draw();
      if (state.time < 1) playing = requestAnimationFrame(advance);
      else askField();
    };
    playing = requestAnimationFrame(advance);
  };

  const askField = () => {
    const ways = state.ways[0];
    const time = ways ? ways.times[Math.round(state.time * (ways.times.length - 1))] : 0;
    remote.ask<NonNullable<typeof state.field>>('field', { time, side: 24 }).then((field) => {
      state.field = field;
      paint();
    }, failed);
  };

  const walk = () => {
    const ask = (kind: string, which: number) =>
      remote.ask<Ways>(kind, request(which)).then((ways) => {
        state.ways[which] = ways;
        state.status = `Learned in ${steps} steps. Draw other points, or move the time.`;
        draw();
      });
    Promise.all([ask('walk', 0), ask('walk again', 1)]).then(play, failed);
  };

  const learn = () => {
    state.learned = 0;
    state.error = '';
    cancelAnimationFrame(playing);
    state.time = 1;
    remote
      .ask<void, TrainProgress>('train', { points: points(), steps, seed: state.seed, preview: request(0) }, (news) => {
        state.learned = news.step;
        if (news.ways) state.ways[0] = news.ways;
        state.status = `Learning: step ${news.step} of ${steps}, loss ${news.loss.toFixed(3)}`;
        draw();
      })
      .then(() => {
        state.learned = steps;
        walk();
      }, failed);
    update();
  };

  let stroke: number[] = [];
  const put = (at: At) => {
    const place = at.map((v) => Math.max(-1, Math.min(1, (2 * v - 1) * extent)));
    const before = state.drawn.slice(0, state.drawn.length - stroke.length);
    stroke.push(...place);
    state.drawn = Float32Array.from([...before, ...stroke]);
    paint();
  };
  const strokes: Strokes = {
    begin(at) {
      stroke = [];
      state.ways = [undefined, undefined];
      put(at);
    },
    move: put,
    end() {
      // Links hold so many.
      if (state.drawn.length > 1200) state.drawn = state.drawn.slice(-1200);
      learn();
    },
    moved: () => paint(),
  };

  const names = Object.entries(samplers).map(([name, { does }]) => [name, `${name}: ${does}`] as const);
  const setTime = (time: number) => {
    cancelAnimationFrame(playing);
    state.time = time;
    draw();
    if (state.learned >= steps) askField();
  };

  function draw(): void {
    render(
      html`
        <h2>Two dimensions</h2>
        <p class="what">
          Draw points in the first square. A small network learns them in seconds, and takes ${count} points of noise to
          where they are likely. The same noise, by two samplers.
        </p>
        <div class="view">
          <div>
            <div class="pictures">
              ${state.samplers.map(
                (name, which) => html`
                  <figure>
                    <canvas
                      class=${which === 0 ? 'smooth drawable' : 'smooth'}
                      width=${pixels}
                      height=${pixels}
                      role=${which === 0 ? 'application' : 'img'}
                      aria-label=${`Points by ${name}${which === 0 ? `, and those that you draw. ${penHelp}` : ''}`}
                    ></canvas>
                    <figcaption>${name}</figcaption>
                  </figure>
                `,
              )}
            </div>
            <div class="time">
              ${slider({ label: 'Time, from noise to points', value: Math.round(state.time * 1000), range: [0, 1000], shown: `${Math.round(state.time * 100)} %`, change: (value) => setTime(value / 1000) })}
            </div>
            <p role="status">${state.status}</p>
            <p role="alert">${state.error}</p>
          </div>
          <div class="controls">
            ${choice({
              label: 'Points',
              value: state.drawn.length > 0 ? 'drawn' : state.shape,
              options: [
                ...(state.drawn.length > 0 ? [['drawn', 'as drawn'] as const] : []),
                ...shapeNames.map((name) => [name, name] as const),
              ],
              change(value) {
                if (value === 'drawn') return;
                Object.assign(state, { shape: value, drawn: new Float32Array() });
                learn();
              },
            })}
            ${state.samplers.map((name, which) =>
              choice({
                label: which === 0 ? 'Sampler' : 'Compared with',
                value: name,
                options: names,
                change(value) {
                  state.samplers[which] = value;
                  update();
                  walk();
                },
              }),
            )}
            ${slider({
              ...{ label: 'Steps', value: state.steps, range: [2, 100] },
              change(value) {
                state.steps = value;
                update();
                walk();
              },
            })}
            ${seedField(state.seed, (seed) => {
              state.seed = seed;
              update();
              walk();
            })}
            <div class="row">
              <button class="main" @click=${play}>Play</button>
              <button
                @click=${() => {
                  state.drawn = new Float32Array();
                  learn();
                }}
              >
                Clear
              </button>
            </div>
          </div>
        </div>
      `,
      root,
    );
    paint();
  }

  draw();
  const pen = penOn(root.querySelector('canvas')!, 32, strokes);
  learn();
  return {
    leave() {
      cancelAnimationFrame(playing);
      remote.end();
    },
  };
};
