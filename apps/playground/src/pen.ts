/* Drawing on a canvas, by a pointer or the keyboard. */

/** A place on a canvas, each from 0 to 1. */
export type At = readonly [x: number, y: number];

export interface Strokes {
  /** A stroke begins, goes on, and ends. */
  readonly begin: (at: At) => void;
  readonly move: (at: At) => void;
  readonly end: () => void;
  /** The keyboard's cursor has moved, come or gone. */
  readonly moved: () => void;
}

export interface Pen {
  /** Where the keyboard's cursor is, once a key has moved it. */
  readonly cursor: At | undefined;
}

/** Of the keyboard, for the label of a canvas. */
export const penHelp = 'Arrow keys move, space puts the pen down and up.';

const arrows: Readonly<Record<string, At>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Lets one draw: with the keyboard, arrows move by one of `side` × `side` places, and space puts the pen down and up. */
export function penOn(canvas: HTMLCanvasElement, side: number, { begin, move, end, moved }: Strokes): Pen {
  let down = false;
  let cursor: At | undefined;
  const lift = () => {
    if (down) end();
    down = false;
  };
  const placeOf = ({ clientX, clientY }: PointerEvent): At => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height];
  };
  canvas.tabIndex = 0;
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    lift();
    cursor = undefined;
    down = true;
    begin(placeOf(event));
  });
  canvas.addEventListener('pointermove', (event) => {
    if (down && !cursor) move(placeOf(event));
  });
  for (const type of ['pointerup', 'pointercancel'] as const) canvas.addEventListener(type, lift);
  canvas.addEventListener('keydown', (event) => {
    const arrow = arrows[event.key];
    if (!arrow && event.key !== ' ') return;
    event.preventDefault();
    const place: At = cursor ?? [0.5 + 0.5 / side, 0.5 + 0.5 / side];
    const within = (v: number) => Math.min(1 - 0.5 / side, Math.max(0.5 / side, v));
    cursor = arrow ? [within(place[0] + arrow[0] / side), within(place[1] + arrow[1] / side)] : place;
    if (arrow && down) move(cursor);
    if (!arrow && down) lift();
    else if (!arrow) {
      down = true;
      begin(cursor);
    }
    moved();
  });
  canvas.addEventListener('blur', () => {
    lift();
    cursor = undefined;
    moved();
  });
  return {
    get cursor() {
      return cursor;
    },
  };
}

/** Shows where the keyboard's cursor is, among `side` × `side` places. */
export function showCursor(context: CanvasRenderingContext2D, [x, y]: At, side: number): void {
  const { width, height } = context.canvas;
  const [across, down] = [width / side, height / side];
  const [left, top] = [Math.floor(x * side) * across, Math.floor(y * side) * down];
  for (const [colour, inset] of [
    ['#000', 1],
    ['#fff', 3],
  ] as const) {
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.strokeRect(left + inset, top + inset, across - 2 * inset, down - 2 * inset);
  }
}
