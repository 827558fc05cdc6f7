/** The style sheet of a report. */
export const style = `
:root { --page: #f8fafc; --card: #fff; --line: #e2e8f0; --text: #0f172a; --soft: #64748b; --accent: #2563eb; }
@media (prefers-color-scheme: dark) {
  :root { --page: #0b1120; --card: #172033; --line: #2b3750; --text: #f1f5f9; --soft: #94a3b8; --accent: #60a5fa; }
  .chart svg { color: #cbd5e1 !important; filter: brightness(1.3); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: clamp(16px, 4vw, 40px); max-width: 1040px; background: var(--page); color: var(--text);
  font: 15px/1.5 Inter, system-ui, sans-serif; }
h1 { margin: 0 0 20px; font-size: clamp(22px, 5vw, 30px); line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 36px 0 12px; font-size: 18px; }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: 13px; }
figcaption b { color: var(--text); font-size: 14px; margin-right: 4px; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 12px; margin: 0; }
.facts div, .chart, .viewer, table { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.facts div { padding: 10px 14px; }
.facts dt { color: var(--soft); font-size: 13px; }
.facts dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 16px; }
.chart { padding: 14px 14px 8px; min-width: 0; }
.chart.wide { grid-column: 1 / -1; }
.chart svg { display: block; width: 100%; height: auto; }
.chart .small { display: none; }
@media (max-width: 640px) { .chart .large { display: none; } .chart .small { display: block; } }
.strip { display: flex; gap: 12px; overflow-x: auto; padding-bottom: 8px; scroll-snap-type: x proximity; }
.strip figure { flex: none; width: 148px; scroll-snap-align: start; text-align: center; }
.strip img { width: 100%; height: auto; }
.strip img.shown { outline: 3px solid var(--accent); }
img { display: block; border-radius: 4px; image-rendering: pixelated; }
.viewer { padding: 14px; margin-bottom: 16px; text-align: center; }
.viewer img { width: min(100%, 480px); height: auto; margin: 0 auto; }
.viewer input { width: min(100%, 480px); margin: 12px 0 0; accent-color: var(--accent); }
.viewer output { display: block; color: var(--soft); font-size: 13px; }
table { width: 100%; border-collapse: separate; border-spacing: 0; padding: 6px 14px; }
th, td { padding: 6px 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
tr + tr > * { border-top: 1px solid var(--line); }
th { width: 36%; padding-right: 12px; font-weight: 400; color: var(--soft); }
@media (max-width: 640px) { th { width: 50%; } }
`;

/** Shows one picture of the strip large, with a slider to go through them. */
export const script = `
const images = [...document.querySelectorAll('.strip img')];
if (images.length > 1) {
  const viewer = document.querySelector('.viewer');
  const large = document.createElement('img');
  const output = document.createElement('output');
  const slider = Object.assign(document.createElement('input'), { type: 'range', min: 0, max: images.length - 1 });
  slider.setAttribute('aria-label', 'Samples');
  const show = (i) => {
    slider.value = i;
    large.src = images[i].src;
    large.alt = output.textContent = images[i].alt;
    images.forEach((image, k) => image.classList.toggle('shown', k === i));
  };
  slider.addEventListener('input', () => show(Number(slider.value)));
  images.forEach((image, i) => image.addEventListener('click', () => show(i)));
  show(images.length - 1);
  viewer.append(large, slider, output);
  viewer.hidden = false;
}
`;
