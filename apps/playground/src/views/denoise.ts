import { samplers } from '../samplers';
import { html, render } from 'lit-html';
import { check, choice, fileField, mayMove, onceAFrame, seedField, slider, textField } from '../controls';
import { numberIn } from '../hash';
import { drawing, hasAdapter, modelAt, modelIn, pretrained, runtimeOf } from '../model';
import { showGrid } from '../pictures';
import { Superseded } from '../rpc';
import type { Show } from '../view';
import type { Drawing, DrawRequest, Frame, ModelFacts } from '../workers/draw';

/* The chain from noise to images, forwards and backwards: x_t, and what the network sees in it. */

const kinds = ['draw', 'draw again'];

interface Way {
  sampler: string;
  steps: number;
  guidance: number;
  frames: Frame[];
  seconds?: number;
}

export const show: Show = (root, { settings, remember }) => {
  const way = (suffix: string, sampler: string): Way => ({
    sampler: Object.hasOwn(samplers, settings[`sampler${suffix}`] ?? '') ? settings[`sampler${suffix}`] : sampler,
    steps: numberIn(settings[`steps${suffix}`], [1, 1000], 12),
    guidance: numberIn(settings[`guidance${suffix}`], [0, 8], 2),
    frames: [],
  });
  const state = {
    ways: [way('', 'dpm++2m'), way('2', 'ddim')],
    compare: settings.compare === '1',
    label: numberIn(settings.class, [-1, 1e6], -1),
    seed: numberIn(settings.seed, [0, 2 ** 31], 1),
    count: numberIn(settings.count, [1, 100], 10),
    url: settings.url ?? '',
    words: settings.words ?? '',
    time: 1,
    model: undefined as ModelFacts | undefined,
    /** Whether there is a graphics processor to run on. */
    adapter: runtimeOf(settings).device === 'webgpu',
    status: 'Loading the model …',
    error: '',
  };
  let runtime = runtimeOf(settings);
  let gone = false;

  const paint = onceAFrame(() => {
    if (!state.model) return;
    for (const [i, { frames }] of state.ways.entries()) {
      const frame = frames[Math.min(frames.length - 1, Math.round(state.time * (frames.length - 1)))];
      if (!frame || (i === 1 && !state.compare)) continue;
      const [x, x0] = root.querySelectorAll<HTMLCanvasElement>(`[data-way="${i}"] canvas`);
      const columns = state.count < 5 ? state.count : 5;
      showGrid(x, frame.x, state.model.image, columns);
      showGrid(x0, frame.x0, state.model.image, columns);
    }
  });

  const link = () =>
    remember({
      ...{ class: String(state.label), seed: String(state.seed), count: String(state.count) },
      ...{
        sampler: state.ways[0].sampler,
        steps: String(state.ways[0].steps),
        guidance: String(state.ways[0].guidance),
      },
      ...(state.compare && {
        ...{ compare: '1', sampler2: state.ways[1].sampler, steps2: String(state.ways[1].steps) },
        guidance2: String(state.ways[1].guidance),
      }),
      ...(state.words && { words: state.words }),
      ...(state.url && { url: state.url }),
      ...Object.fromEntries(Object.entries(runtime).map(([key, value]) => [key, String(value)])),
    });

  const failed = (error: unknown) => {
    if (error instanceof Superseded || gone) return;
    state.error = (error as Error).message;
    state.status = '';
    draw();
  };

  const run = (i: number) => {
    if (!state.model) return;
    const { sampler, steps, guidance } = state.ways[i];
    const request: DrawRequest = {
      ...{ sampler, guidance, seed: state.seed, count: state.count, label: state.label },
      words: state.words,
      steps: samplers[sampler].steps === 'all' ? undefined : steps,
    };
    const frames: Frame[] = [];
    state.error = '';
    drawing()
      .ask<Drawing, Frame>(kinds[i], request, (frame) => {
        if (gone) return;
        frames.push(frame);
        state.ways[i].frames = frames;
        state.time = 1;
        if (i === 0 || state.compare) state.status = `Step ${frame.index + 1} of ${frame.steps}`;
        draw();
      })
      .then(({ seconds, values }) => {
        if (gone) return;
        state.ways[i].seconds = seconds;
        state.status = `${state.count} images in ${seconds.toFixed(1)} s. Move the time to go back through the chain.`;
        root.dataset.done = String(i);
        (root as HTMLElement & { values?: Float32Array }).values = values;
        draw();
      }, failed);
  };
  const runAll = () => {
    link();
    delete root.dataset.done;
    run(0);
    if (state.compare) run(1);
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
      state.model = model;
      if (state.label >= (model.classNames?.length ?? 0)) state.label = -1;
      runAll();
    }, failed);

  const play = () => {
    if (!mayMove()) return;
    const begun = performance.now();
    const advance = () => {
      state.time = Math.min(1, (performance.now() - begun) / 2500);
      draw();
      if (state.time < 1 && !gone) requestAnimationFrame(advance);
    };
    advance();
  };

  const names = Object.entries(samplers).map(([name, { does }]) => [name, `${name}: ${does}`] as const);
  const say = (words: string) => {
    state.words = words;
    runAll();
  };
  const wordsControls = (known: readonly string[]) => {
    const said = state.words.split(/\s+/).filter((word) => word !== '');
    return html`
      ${textField({ label: 'What is to be seen', value: state.words, change: say })}
      <div class="chips" role="group" aria-label="Words that the model knows">
        ${known.map(
          (word) => html`
            <button
              aria-pressed=${said.includes(word)}
              @click=${() => say((said.includes(word) ? said.filter((other) => other !== word) : [...said, word]).join(' '))}
            >
              ${word}
            </button>
          `,
        )}
      </div>
    `;
  };
  const wayControls = (i: number) => {
    const own = state.ways[i];
    const set = (change: Partial<Way>) => {
      Object.assign(own, change);
      link();
      run(i);
      draw();
    };
    return html`
      ${choice({ label: i === 0 ? 'Sampler' : 'Sampler of the second', value: own.sampler, options: names, change: (sampler) => set({ sampler }) })}
      ${
        samplers[own.sampler].steps === 'all'
          ? html`<p role="status">It takes the whole chain.</p>`
          : slider({ label: 'Steps', value: own.steps, range: [1, 100], change: (steps) => set({ steps }) })
      }
      ${
        state.model?.guided
          ? slider({
              label: 'Guidance',
              value: own.guidance,
              range: [0, 8],
              step: 0.5,
              change: (guidance) => set({ guidance }),
            })
          : ''
      }
    `;
  };

  function draw(): void {
    const { model } = state;
    render(
      html`
        <h2>Denoise</h2>
        <p class="what">
          From noise to images, step by step: left what the sampler has, right what the network thinks is behind it.
        </p>
        <div class="view">
          <div>
            ${(state.compare ? [0, 1] : [0]).map(
              (i) => html`
                <div class="pictures" data-way=${i}>
                  <figure>
                    <canvas role="img" aria-label="Noisy images"></canvas>
                    <figcaption>x<sub>t</sub>${state.compare ? `, ${state.ways[i].sampler}` : ''}</figcaption>
                  </figure>
                  <figure>
                    <canvas role="img" aria-label="Predicted images"></canvas>
                    <figcaption>x̂<sub>0</sub></figcaption>
                  </figure>
                </div>
              `,
            )}
            <div class="time">
              ${slider({
                ...{ label: 'Time, from noise to images', value: Math.round(state.time * 1000), range: [0, 1000] },
                shown: `${Math.round(state.time * 100)} %`,
                change(value) {
                  state.time = value / 1000;
                  draw();
                },
              })}
            </div>
            <p role="status">${state.status}</p>
            <p role="alert">${state.error}</p>
          </div>
          <div class="controls">
            ${
              model?.classNames
                ? choice({
                    label: 'Class',
                    value: String(state.label),
                    options: [['-1', 'one of each'], ...model.classNames.map((name, i) => [String(i), name] as const)],
                    change(value) {
                      state.label = Number(value);
                      runAll();
                    },
                  })
                : ''
            }
            ${model?.words ? wordsControls(model.words) : ''} ${wayControls(0)}
            ${seedField(state.seed, (seed) => {
              state.seed = seed;
              runAll();
            })}
            ${check({
              label: 'Compare with other settings',
              value: state.compare,
              change(compare) {
                state.compare = compare;
                runAll();
              },
            })}
            ${state.compare ? wayControls(1) : ''}
            <div class="row">
              <button
                class="main"
                @click=${() => {
                  state.seed++;
                  runAll();
                }}
              >
                Draw others
              </button>
              <button @click=${play}>Play</button>
            </div>
            <details>
              <summary>Another model, or device</summary>
              <p>
                Drop a checkpoint on this page, or a PyTorch state_dict of the tutorial's U-Net, or give its address.
              </p>
              <label>
                <span>Address</span>
                <input
                  type="url"
                  .value=${state.url}
                  @change=${(event: Event) => {
                    state.url = (event.target as HTMLInputElement).value;
                    state.status = 'Loading the model …';
                    state.error = '';
                    draw();
                    void use(modelAt(state.url || pretrained.garments, runtime, tell));
                  }}
                />
              </label>
              ${
                state.adapter
                  ? choice({
                      label: 'Runs on',
                      value: runtime.device ?? 'wasm',
                      options: [
                        ['wasm', 'the processor (WebAssembly)'],
                        ['webgpu', 'the graphics processor (WebGPU)'],
                      ],
                      change(device) {
                        runtime = { ...runtime, device };
                        state.status = 'Loading the model …';
                        draw();
                        void use(modelAt(state.url || pretrained.garments, runtime, tell));
                      },
                    })
                  : ''
              }
              ${fileField({ accept: '.safetensors,.pt,.pth,.bin,.ckpt', change: ([file]) => take(file) })}
            </details>
            ${model ? html`<p role="status">${(model.parameters / 1e6).toFixed(2)} million parameters${model.step === undefined ? '' : `, ${model.step} steps of training`}</p>` : ''}
          </div>
        </div>
      `,
      root,
    );
    paint();
  }

  function take(file: File): void {
    state.error = '';
    state.status = `Loading ${file.name} …`;
    draw();
    void use(modelIn(file, runtime));
  }

  void hasAdapter().then((there) => {
    state.adapter ||= there;
    draw();
  });
  draw();
  void use(modelAt(state.url || pretrained.garments, runtime, tell));
  return {
    take: ([file]) => take(file),
    leave() {
      gone = true;
      for (const kind of kinds) drawing().stop(kind);
    },
  };
};
