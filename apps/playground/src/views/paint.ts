import { html, render } from 'lit-html';
import { choice, onceAFrame, seedField, slider } from '../controls';
import { numberIn } from '../hash';
import { drawing, modelAt, modelIn, pretrained, runtimeOf } from '../model';
import type { At } from '../pen';
import { penHelp, penOn, showCursor } from '../pen';
import { showGrid } from '../pictures';
import { Superseded } from '../rpc';
import { fromText, toText } from '../shapes';
import type { Show } from '../view';
import type { Drawing, DrawRequest, Frame, ModelFacts } from '../workers/draw';

/* A drawing that becomes a picture, as one draws it. */

const count = 4;
/** How large each pixel of the drawing is shown. */
const zoom = 16;

/** The drawing on the canvas before anyone has drawn: something like a pullover. */
function beginning(height: number, width: number): Float32Array {
  const picture = new Float32Array(height * width).fill(-1);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [u, v] = [Math.abs((x + 0.5) / width - 0.5), (y + 0.5) / height];
      const body = u < 0.2 && v > 0.15 && v < 0.85;
      const sleeve = u > 0.2 && u < 0.36 && v > 0.18 + (u - 0.2) && v < 0.8;
      if (body || sleeve) picture[y * width + x] = 0.3;
    }
  return picture;
}

export const show: Show = (root, { settings, remember }) => {
  const state = {
    picture: new Float32Array() as Float32Array,
    label: numberIn(settings.class, [0, 1e6], 2),
    strength: numberIn(settings.strength, [0.05, 1], 0.6),
    guidance: numberIn(settings.guidance, [0, 8], 2),
    seed: numberIn(settings.seed, [0, 2 ** 31], 1),
    shade: 1,
    model: undefined as ModelFacts | undefined,
    result: undefined as Uint8Array | undefined,
    status: 'Loading the model …',
    error: '',
  };
  const runtime = runtimeOf(settings);
  let gone = false;

  const paint = onceAFrame(() => {
    if (!state.model) return;
    const { image } = state.model;
    const [canvas, result] = root.querySelectorAll('canvas');
    const [rows, columns] = image;
    if (canvas.width !== columns * zoom) Object.assign(canvas, { width: columns * zoom, height: rows * zoom });
    const context = canvas.getContext('2d')!;
    for (const [i, v] of state.picture.entries()) {
      context.fillStyle = `rgb(${Array(3)
        .fill((v + 1) * 127.5)
        .join(' ')})`;
      context.fillRect((i % columns) * zoom, Math.floor(i / columns) * zoom, zoom, zoom);
    }
    if (pen.cursor) showCursor(context, pen.cursor, columns);
    if (state.result) showGrid(result, state.result, image, 2);
  });

  const link = () =>
    remember({
      ...{ class: String(state.label), strength: String(state.strength), guidance: String(state.guidance) },
      ...{ seed: String(state.seed), picture: toText(state.picture), ...(settings.url && { url: settings.url }) },
    });

  const failed = (error: unknown) => {
    if (error instanceof Superseded || gone) return;
    Object.assign(state, { error: (error as Error).message, status: '' });
    draw();
  };

  const run = () => {
    const { model, picture, label, guidance, seed, strength } = state;
    if (!model) return;
    const [, , channels] = model.image;
    const request: DrawRequest = {
      ...{ sampler: 'dpm++2m', steps: 12, guidance, seed, count, strength },
      label: Math.min(label, (model.classNames?.length ?? 1) - 1),
      picture: Float32Array.from({ length: picture.length * channels }, (_, i) => picture[Math.floor(i / channels)]),
    };
    state.error = '';
    drawing()
      .ask<Drawing, Frame>('draw', request, ({ x0 }) => {
        if (gone) return;
        state.result = x0;
        paint();
      })
      .then(({ seconds }) => {
        if (gone) return;
        state.status = `${count} pictures in ${seconds.toFixed(1)} s. Draw on, or change the strength.`;
        root.dataset.done = '';
        draw();
      }, failed);
  };
  const changed = onceAFrame(() => {
    delete root.dataset.done;
    link();
    run();
  });

  const tell = (status: string) => {
    if (gone) return;
    state.status = status;
    draw();
  };
  const use = (facts: Promise<ModelFacts>) =>
    facts.then((model) => {
      if (gone) return;
      state.model = model;
      const [height, width] = model.image;
      const linked = fromText(settings.picture ?? '');
      if (state.picture.length !== height * width)
        state.picture = linked.length === height * width ? linked : beginning(height, width);
      draw();
      changed();
    }, failed);

  let last: At = [0, 0];
  /** A line from where the pen was. */
  const line = (to: At) => {
    if (!state.model) return;
    const [rows, columns] = state.model.image;
    const length = Math.max(1, Math.ceil(2 * Math.hypot((to[0] - last[0]) * columns, (to[1] - last[1]) * rows)));
    for (let k = 0; k <= length; k++) {
      const [x, y] = [0, 1].map((axis) => last[axis] + (k / length) * (to[axis] - last[axis]));
      dab(x * columns, y * rows);
    }
    last = to;
    paint();
    changed();
  };
  const dab = (x: number, y: number) => {
    const [rows, columns] = state.model!.image;
    for (let row = Math.max(0, Math.floor(y - 2)); row < Math.min(rows, y + 2); row++)
      for (let column = Math.max(0, Math.floor(x - 2)); column < Math.min(columns, x + 2); column++)
        if (Math.hypot(column + 0.5 - x, row + 0.5 - y) < 1.4) state.picture[row * columns + column] = state.shade;
  };

  function draw(): void {
    const { model } = state;
    render(
      html`
        <h2>Paint it</h2>
        <p class="what">
          Draw on the left. The model makes four pictures of it on the right, the freer the greater the strength.
        </p>
        <div class="view">
          <div>
            <div class="pictures">
              <figure>
                <canvas class="smooth drawable" role="application" aria-label=${`Your drawing. ${penHelp}`}></canvas>
                <figcaption>Your drawing</figcaption>
              </figure>
              <figure>
                <canvas width="28" height="28" role="img" aria-label="Pictures made of the drawing"></canvas>
                <figcaption>What the model makes of it</figcaption>
              </figure>
            </div>
            <p role="status">${state.status}</p>
            <p role="alert">${state.error}</p>
          </div>
          <div class="controls">
            ${slider({
              ...{ label: 'Strength', value: state.strength, range: [0.05, 1], step: 0.05 },
              shown: state.strength.toFixed(2),
              change(strength) {
                state.strength = strength;
                changed();
                draw();
              },
            })}
            ${
              model?.classNames
                ? choice({
                    label: 'It should be',
                    value: String(state.label),
                    options: model.classNames.map((name, i) => [String(i), name]),
                    change(value) {
                      state.label = Number(value);
                      changed();
                      draw();
                    },
                  })
                : ''
            }
            ${slider({
              ...{ label: 'Brush', value: state.shade, range: [-1, 1], step: 0.1 },
              shown: state.shade > 0.6 ? 'light' : state.shade < -0.6 ? 'dark' : 'between',
              change(shade) {
                state.shade = shade;
                draw();
              },
            })}
            ${seedField(state.seed, (seed) => {
              state.seed = seed;
              changed();
              draw();
            })}
            <div class="row">
              <button
                class="main"
                @click=${() => {
                  state.seed++;
                  changed();
                  draw();
                }}
              >
                Others
              </button>
              <button
                @click=${() => {
                  state.picture = new Float32Array(state.picture.length).fill(-1);
                  changed();
                  draw();
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
  const pen = penOn(root.querySelector('canvas')!, 28, {
    begin(at) {
      last = at;
      line(at);
    },
    move: line,
    end() {},
    moved: paint,
  });
  void use(modelAt(settings.url ?? pretrained.garments, runtime, tell));
  return {
    take: ([file]) => void use(modelIn(file, runtime)),
    leave() {
      gone = true;
      drawing().stop('draw');
    },
  };
};
