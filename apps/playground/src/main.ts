import { html, render } from 'lit-html';
import { formatHash, parseHash } from './hash';
import './style.css';
import type { Show, View } from './view';

const views: readonly {
  readonly name: string;
  readonly title: string;
  readonly load: () => Promise<{ show: Show }>;
}[] = [
  { name: 'points', title: 'Two dimensions', load: () => import('./views/points') },
  { name: 'denoise', title: 'Denoise', load: () => import('./views/denoise') },
  { name: 'say', title: 'Say it', load: () => import('./views/say') },
  { name: 'paint', title: 'Paint it', load: () => import('./views/paint') },
  { name: 'train', title: 'Train it', load: () => import('./views/train') },
];
/** Only where `ddpm-train --view` serves the page. */
const ofRun = { name: 'run', title: 'The run', load: () => import('./views/run') };

const main = document.querySelector('main')!;
const nav = document.querySelector('nav')!;
const link = document.querySelector<HTMLAnchorElement>('a.link')!;
let served = views;
let current: { readonly name: string; readonly view: View } | undefined;
/** The newest link that this page has written itself. */
let written = '';

async function open(): Promise<void> {
  const { view: asked, settings } = parseHash(location.hash);
  if (asked === 'run') served = [ofRun, ...views];
  const { name, title, load } = served.find((view) => view.name === asked) ?? served[0];
  current?.view.leave();
  current = undefined;
  render(
    served.map(
      (view) => html`<a href="#${view.name}" aria-current=${view.name === name ? 'page' : 'false'}>${view.title}</a>`,
    ),
    nav,
  );
  for (const a of nav.querySelectorAll('[aria-current="false"]')) a.removeAttribute('aria-current');
  document.title = `${title} – Diffusion in a page`;
  const { show } = await load();
  const root = document.createElement('div');
  main.replaceChildren(root);
  const remember = (values: Readonly<Record<string, string>>) => {
    written = formatHash({ view: name, settings: values });
    history.replaceState(undefined, '', written);
    link.href = written;
  };
  current = { name, view: show(root, { settings, remember }) };
}

addEventListener('hashchange', () => {
  if (location.hash !== written) void open();
});

for (const type of ['dragover', 'dragleave', 'drop'] as const)
  addEventListener(type, (event) => {
    event.preventDefault();
    document.body.classList.toggle('drop', type === 'dragover');
    const files = [...(event.dataTransfer?.files ?? [])];
    if (type === 'drop' && files.length > 0) current?.view.take?.(files);
  });

link.addEventListener('click', (event) => {
  event.preventDefault();
  void navigator.clipboard?.writeText(location.href).then(() => {
    link.textContent = 'Link copied';
    setTimeout(() => (link.textContent = 'Link to this picture'), 2000);
  });
});

/**
 * Has a service worker keep what is loaded from now on, and fetches what has been loaded before once more, so that the page
 * works offline after its first visit. It waits for that, but not for long.
 */
async function keepLoaded(): Promise<void> {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  const { serviceWorker } = navigator;
  const first = serviceWorker.controller === null;
  const keeps = new Promise<void>((resolve) => {
    serviceWorker.addEventListener(
      'controllerchange',
      () => {
        const before = performance.getEntriesByType('resource').map(({ name }) => name);
        if (first) for (const url of ['./', ...before]) fetch(url).catch(() => {});
        resolve();
      },
      { once: true },
    );
  });
  const registered = await serviceWorker.register('./offline.js').catch(() => undefined);
  if (registered && first) await Promise.race([keeps, new Promise((resolve) => setTimeout(resolve, 1000))]);
}

await keepLoaded();
await open();
