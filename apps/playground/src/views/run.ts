import { html, render } from 'lit-html';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { slider } from '../controls';
import type { Show } from '../view';

/* A run of ddpm-train --view, while it trains. */

interface About {
  readonly name: string;
  readonly steps: number;
  /** Names of pictures, the oldest first. */
  readonly previews: readonly string[];
}

interface Line {
  readonly step: number;
  readonly loss: number | null;
  readonly validationLoss?: number;
  readonly imagesPerSecond: number;
}

export const show: Show = (root) => {
  const state = {
    about: undefined as About | undefined,
    /** Which preview; the newest where it is not chosen. */
    chosen: undefined as number | undefined,
    last: undefined as Line | undefined,
    status: 'Waiting for the run …',
  };
  const curves: [number[], (number | null)[], (number | null)[]] = [[], [], []];
  let bytes = 0;
  let gone = false;

  async function poll(): Promise<void> {
    while (!gone) {
      try {
        state.about = (await (await fetch('./run/about')).json()) as About;
        const text = await (await fetch(`./run/metrics.jsonl?from=${bytes}`)).text();
        bytes += new TextEncoder().encode(text).length;
        const lines = text.split('\n').filter((line) => line !== '');
        for (const line of lines.map((one) => JSON.parse(one) as Line)) {
          curves[0].push(line.step + 1);
          curves[1].push(line.loss);
          curves[2].push(line.validationLoss ?? null);
          state.last = line;
        }
        if (lines.length > 0) plot.setData(curves);
        if (state.last)
          state.status = `Step ${state.last.step + 1} of ${state.about.steps}, ${state.last.imagesPerSecond.toFixed(1)} images a second, loss ${state.last.loss?.toFixed(4) ?? 'not finite'}`;
      } catch {
        if (state.about) {
          state.status = `The run has ended${state.last ? ` after step ${state.last.step + 1}` : ''}.`;
          draw();
          return;
        }
      }
      draw();
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  function draw(): void {
    const { about } = state;
    const previews = about?.previews ?? [];
    const index = Math.min(state.chosen ?? previews.length - 1, previews.length - 1);
    const step = Number(/\d+/.exec(previews[index] ?? '')?.[0] ?? 0);
    render(
      html`
        <h2>${about?.name ?? 'A run'}</h2>
        <p class="what">What it draws of the same noise as it learns, and its loss, as it goes.</p>
        <div class="view">
          <div>
            ${
              index >= 0
                ? html`
                    <figure>
                      <img src=${`./run/previews/${previews[index]}`} alt=${`Samples after ${step} steps`} />
                      <figcaption>After ${step} steps</figcaption>
                    </figure>
                    <div class="time">
                      ${slider({
                        ...{ label: 'Preview', value: index, range: [0, Math.max(1, previews.length - 1)] },
                        shown: `${index + 1} of ${previews.length}`,
                        change(value) {
                          state.chosen = value >= previews.length - 1 ? undefined : value;
                          draw();
                        },
                      })}
                    </div>
                  `
                : html`<p>There is no preview yet.</p>`
            }
            <p role="status">${state.status}</p>
            <div class="plot"></div>
          </div>
          <div class="controls">
            <a href="#denoise?url=run%2Fcheckpoint.safetensors">Watch the chain of its newest checkpoint</a>
          </div>
        </div>
      `,
      root,
    );
  }

  draw();
  const holder = root.querySelector<HTMLElement>('.plot')!;
  const style = getComputedStyle(root);
  const axis = { stroke: style.getPropertyValue('--soft'), grid: { stroke: style.getPropertyValue('--line') } };
  const plot = new uPlot(
    {
      ...{ width: Math.min(760, holder.clientWidth || 640), height: 220 },
      scales: { x: { time: false }, y: { distr: 3 } },
      axes: [axis, axis],
      series: [
        { label: 'step' },
        { label: 'loss', stroke: style.getPropertyValue('--accent'), width: 1, points: { show: false } },
        { label: 'held out', stroke: style.getPropertyValue('--ink'), width: 2, spanGaps: true },
      ],
    },
    curves,
    holder,
  );
  void poll();
  return {
    leave() {
      gone = true;
      plot.destroy();
    },
  };
};
