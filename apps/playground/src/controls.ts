import type { TemplateResult } from 'lit-html';
import { html } from 'lit-html';
import { live } from 'lit-html/directives/live.js';

interface Slider {
  readonly label: string;
  readonly value: number;
  readonly range: readonly [least: number, most: number];
  readonly step?: number;
  readonly shown?: string;
  readonly change: (value: number) => void;
}

export const slider = ({ label, value, range: [min, max], step = 1, shown, change }: Slider): TemplateResult => html`
  <label>
    <span>${label}</span><span class="value">${shown ?? value}</span>
    <input
      type="range"
      min=${min}
      max=${max}
      step=${step}
      .value=${live(String(value))}
      @input=${(event: Event) => change(Number((event.target as HTMLInputElement).value))}
    />
  </label>
`;

interface Choice {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, text: string])[];
  readonly change: (value: string) => void;
}

export const choice = ({ label, value, options, change }: Choice): TemplateResult => html`
  <label>
    <span>${label}</span>
    <select .value=${live(value)} @change=${(event: Event) => change((event.target as HTMLSelectElement).value)}>
      ${options.map(([key, text]) => html`<option value=${key} ?selected=${key === value}>${text}</option>`)}
    </select>
  </label>
`;

interface Check {
  readonly label: string;
  readonly value: boolean;
  readonly change: (value: boolean) => void;
}

export const check = ({ label, value, change }: Check): TemplateResult => html`
  <label class="check">
    <input
      type="checkbox"
      .checked=${live(value)}
      @change=${(event: Event) => change((event.target as HTMLInputElement).checked)}
    />
    <span>${label}</span>
  </label>
`;

interface Field {
  readonly label: string;
  readonly value: string;
  readonly change: (value: string) => void;
}

export const textField = ({ label, value, change }: Field): TemplateResult => html`
  <label>
    <span>${label}</span>
    <input
      type="text"
      .value=${live(value)}
      @change=${(event: Event) => change((event.target as HTMLInputElement).value)}
    />
  </label>
`;

export const seedField = (value: number, change: (value: number) => void): TemplateResult => html`
  <label>
    <span>Seed</span>
    <input
      type="number"
      min="0"
      step="1"
      .value=${live(String(value))}
      @change=${(event: Event) => change(Math.max(0, Math.floor(Number((event.target as HTMLInputElement).value)) || 0))}
    />
  </label>
`;

/** A field for files of the reader's own; several where that is said. */
export const fileField = ({
  label = 'File',
  accept,
  multiple = false,
  change,
}: {
  label?: string;
  accept: string;
  multiple?: boolean;
  change: (files: File[]) => void;
}): TemplateResult => html`
  <label>
    <span>${label}</span>
    <input
      type="file"
      accept=${accept}
      ?multiple=${multiple}
      @change=${(event: Event) => {
        const files = [...((event.target as HTMLInputElement).files ?? [])];
        if (files.length > 0) change(files);
      }}
    />
  </label>
`;

/** An animation frame's calls put together: the newest wins. */
export function onceAFrame(call: () => void): () => void {
  let asked = 0;
  return () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      call();
    });
  };
}

/** Whether things may move by themselves. */
export const mayMove = () => !matchMedia('(prefers-reduced-motion: reduce)').matches;
