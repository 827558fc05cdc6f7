import { html, render } from 'lit-html';
import { check, fileField, onceAFrame, seedField, slider, textField } from '../controls';
import { numberIn } from '../hash';
import { drawing, modelAt, modelIn, pretrained, runtimeOf } from '../model';
import type { At } from '../pen';
import { penHelp, penOn, showCursor } from '../pen';
import { showGrid } from '../pictures';
import { attributes, read, toggled } from '../portrait-words';
import { Superseded } from '../rpc';
import { bitsFromText, bitsToText, fromText, toText } from '../shapes';
import type { Show } from '../view';
import type { Drawing, DrawRequest, Frame, ModelFacts } from '../workers/draw';

/* Portraits from words; and one of them changed, where one paints, to what one says. */

const count = 9;
/** How often RePaint goes through each level: more fits better to the rest, and takes longer. */
const times = 3;
/** How large each pixel of the picture to change is shown. */
const zoom = 20;

/** Parts of a portrait, which may be marked at once: from and to, of its height and width. */
const parts: readonly (readonly [name: string, y: At, x: At])[] = [
  ['top', [0, 0.4], [0, 1]],
  ['eyes', [0.35, 0.6], [0.1, 0.9]],
  ['mouth', [0.6, 0.8], [0.25, 0.75]],
  ['bottom', [0.8, 1], [0, 1]],
];

export const show: Show = (root, { settings, remember }) => {
  const state = {
    words: settings.words ?? 'long green hair, dark glasses, red shirt',
    guidance: numberIn(settings.guidance, [0, 8], 3),
    steps: numberIn(settings.steps, [1, 100], 12),
    seed: numberIn(settings.seed, [0, 2 ** 31], 1),
    url: settings.url,
    rubber: false,
    model: undefined as ModelFacts | undefined,
    /** [n, h, w, c], in [−1, 1], once they are drawn. */
    values: undefined as Float32Array | undefined,
    shown: undefined as Uint8Array | undefined,
    /** The change that is asked for, and where. */
    picture: undefined as Float32Array | undefined,
    chosen: -1,
    mask: [] as boolean[],
    status: 'Loading the model …',
    error: '',
  };
  const runtime = runtimeOf(settings);
  let gone = false;
  const changing = () => state.picture !== undefined && state.mask.includes(true);

  const paint = onceAFrame(() => {
    const { model, shown, picture, mask } = state;
    if (!model) return;
    const { image } = model;
    const [rows, columns, channels] = image;
    const size = rows * columns * channels;
    if (shown)
      for (const [i, canvas] of root.querySelectorAll<HTMLCanvasElement>('.portraits canvas').entries())
        showGrid(canvas, shown.subarray(i * size, (i + 1) * size), image, 1, 0);
    const canvas = root.querySelector<HTMLCanvasElement>('canvas.drawable')!;
    if (canvas.width !== columns * zoom) Object.assign(canvas, { width: columns * zoom, height: rows * zoom });
    const context = canvas.getContext('2d')!;
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!picture) return;
    const byte = (i: number, c: number) => ((picture[i * channels + Math.min(c, channels - 1)] + 1) * 255) / 2;
    const accent = getComputedStyle(root).getPropertyValue('--accent');
    for (let i = 0; i < rows * columns; i++) {
      const [x, y] = [(i % columns) * zoom, Math.floor(i / columns) * zoom];
      context.fillStyle = `rgb(${byte(i, 0)} ${byte(i, 1)} ${byte(i, 2)})`;
      context.fillRect(x, y, zoom, zoom);
      if (!mask[i]) continue;
      context.fillStyle = accent;
      context.globalAlpha = 0.55;
      context.fillRect(x, y, zoom, zoom);
      context.globalAlpha = 1;
      context.fillRect(x + zoom / 2 - 2, y + zoom / 2 - 2, 4, 4);
    }
    if (pen.cursor) showCursor(context, pen.cursor, columns);
  });

  const link = () =>
    remember({
      ...{ words: state.words, guidance: String(state.guidance) },
      ...{ steps: String(state.steps), seed: String(state.seed) },
      ...(state.picture && { picture: toText(state.picture), mask: bitsToText(state.mask) }),
      ...(state.url && { url: state.url }),
      ...Object.fromEntries(Object.entries(runtime).map(([key, value]) => [key, String(value)])),
    });

  const failed = (error: unknown) => {
    if (error instanceof Superseded || gone) return;
    Object.assign(state, { error: (error as Error).message, status: '' });
    draw();
  };

  const run = () => {
    const { model, words, guidance, steps, seed, picture, mask } = state;
    if (!model) return;
    link();
    delete root.dataset.done;
    const request: DrawRequest = {
      ...{ sampler: 'dpm++2m', steps, guidance, seed, count, words, label: -1 },
      ...(changing() && { picture, mask: Float32Array.from(mask, Number), times }),
    };
    Object.assign(state, { error: '', chosen: -1, values: undefined });
    drawing()
      .ask<Drawing, Frame>('draw', request, ({ index, steps: all, x0 }) => {
        if (gone) return;
        Object.assign(state, { shown: x0, status: `Step ${index + 1} of ${all}` });
        draw();
      })
      .then(({ seconds, values }) => {
        if (gone) return;
        state.values = values;
        state.status = `${count} portraits in ${seconds.toFixed(1)} s. Choose one to change it.`;
        root.dataset.done = '';
        (root as HTMLElement & { values?: Float32Array }).values = values;
        draw();
      }, failed);
    draw();
  };

  const tell = (status: string) => {
    if (gone) return;
    state.status = status;
    draw();
  };
  const use = (facts: Promise<ModelFacts>) =>
    facts.then((model) => {
      if (gone) return;
      if (!model.words) return failed(new Error('this model does not draw from words; look at it in Denoise'));
      state.model = model;
      const [rows, columns, channels] = model.image;
      const linked = fromText(settings.picture ?? '');
      if (linked.length === rows * columns * channels) {
        state.picture ??= linked;
        state.mask = bitsFromText(settings.mask ?? '', rows * columns);
      }
      if (state.picture?.length !== rows * columns * channels) state.picture = undefined;
      run();
    }, failed);

  /** As a link holds it, so that the link draws the same. */
  const change = (picture: Float32Array, chosen: number) => {
    const [rows, columns] = state.model!.image;
    Object.assign(state, { chosen, picture: fromText(toText(picture)), mask: Array(rows * columns).fill(false) });
    state.status = 'Paint over what should change, then say what should be there.';
    link();
    draw();
  };
  const choose = (i: number) => {
    if (!state.values) return;
    const size = state.values.length / count;
    change(state.values.slice(i * size, (i + 1) * size), i);
  };

  const mark = ([x, y]: At) => {
    if (!state.model) return;
    const [rows, columns] = state.model.image;
    const [left, top] = [Math.floor(x * columns), Math.floor(y * rows)];
    for (const [row, column] of [
      [top, left],
      [top + 1, left],
      [top, left + 1],
      [top + 1, left + 1],
    ])
      if (row >= 0 && row < rows && column >= 0 && column < columns) state.mask[row * columns + column] = !state.rubber;
    paint();
  };
  const markPart = ([, y, x]: (typeof parts)[number]) => {
    const [rows, columns] = state.model!.image;
    const within = (at: number, [from, to]: At) => at >= from && at < to;
    state.mask = state.mask.map(
      (before, i) =>
        before || (within(Math.floor(i / columns) / rows, y) && within(((i % columns) + 0.5) / columns, x)),
    );
    run();
  };
  const say = (words: string) => {
    state.words = words;
    run();
  };

  const chips = () => {
    const { facts } = read(state.words);
    return attributes.map(
      ({ name, values }) => html`
        <div class="attribute" role="group" aria-label=${name}>
          <span>${name}</span>
          <div>
            ${values.map(
              (value) => html`
                <button aria-pressed=${facts[name] === value} @click=${() => say(toggled(state.words, name, value))}>
                  ${value}
                </button>
              `,
            )}
          </div>
        </div>
      `,
    );
  };

  function draw(): void {
    const { picture } = state;
    render(
      html`
        <h2>Say it</h2>
        <p class="what">
          Portraits of what one says. Choose one, paint over a part, and say what should be there: the rest stays.
        </p>
        <div class="view">
          <div>
            <div class="pictures">
              <figure>
                <div class="portraits">
                  ${Array.from(
                    { length: count },
                    (_, i) => html`
                      <button
                        aria-label=${`Change portrait ${i + 1}`}
                        aria-pressed=${state.chosen === i}
                        ?disabled=${!state.values}
                        @click=${() => choose(i)}
                      >
                        <canvas width="16" height="16"></canvas>
                      </button>
                    `,
                  )}
                </div>
                <figcaption>${changing() ? 'What becomes of it' : 'What the model draws'}</figcaption>
              </figure>
              <figure ?hidden=${!picture}>
                <canvas
                  class="smooth drawable"
                  role="application"
                  aria-label=${`The portrait to change: paint over what should become something else. ${penHelp}`}
                ></canvas>
                <figcaption>Paint over what should change</figcaption>
                <div class="attribute" role="group" aria-label="Mark a part">
                  <span>mark the</span>
                  <div>${parts.map((part) => html`<button @click=${() => markPart(part)}>${part[0]}</button>`)}</div>
                </div>
                <div class="row">
                  ${check({
                    label: 'Rub out',
                    value: state.rubber,
                    change(rubber) {
                      state.rubber = rubber;
                      draw();
                    },
                  })}
                  <button
                    @click=${() => {
                      state.mask.fill(false);
                      link();
                      draw();
                    }}
                  >
                    Clear
                  </button>
                  <button
                    @click=${() => {
                      state.picture = undefined;
                      run();
                    }}
                  >
                    Leave it
                  </button>
                </div>
              </figure>
            </div>
            <p role="status">${state.status}</p>
            <p role="alert">${state.error}</p>
          </div>
          <div class="controls">
            ${textField({
              label: changing() ? 'What should be there' : 'What is to be seen',
              value: state.words,
              change: say,
            })}
            <div class="row">
              <button
                class="main"
                @click=${() => {
                  state.seed++;
                  run();
                }}
              >
                Draw others
              </button>
            </div>
            ${chips()}
            ${slider({
              ...{ label: 'Guidance', value: state.guidance, range: [0, 8], step: 0.5 },
              change(guidance) {
                state.guidance = guidance;
                run();
              },
            })}
            ${slider({
              ...{ label: 'Steps', value: state.steps, range: [1, 50] },
              change(steps) {
                state.steps = steps;
                run();
              },
            })}
            ${seedField(state.seed, (seed) => {
              state.seed = seed;
              run();
            })}
            <details>
              <summary>A picture of your own, or another model</summary>
              <p>Drop a picture on this page to change it, or a checkpoint that was trained on captions.</p>
              ${fileField({ accept: 'image/*,.safetensors', change: ([file]) => take(file) })}
            </details>
          </div>
        </div>
      `,
      root,
    );
    paint();
  }

  function take(file: File): void {
    state.error = '';
    if (file.type.startsWith('image/'))
      void drawing()
        .ask<Float32Array>('picture', file)
        .then((picture) => !gone && change(picture, -1), failed);
    else void use(modelIn(file, runtime));
  }

  draw();
  const pen = penOn(root.querySelector('canvas.drawable')!, 16, {
    begin: mark,
    move: mark,
    end: () => (changing() ? run() : link()),
    moved: paint,
  });
  void use(modelAt(state.url ?? pretrained.portraits, runtime, tell));
  return {
    take: ([file]) => take(file),
    leave() {
      gone = true;
      drawing().stop('draw');
    },
  };
};
