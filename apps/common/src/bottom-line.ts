import type { WriteStream } from 'node:tty';
import { onExit } from 'signal-exit';

/** A line at the bottom of a terminal, below whatever is written while it is there. */
export interface BottomLine {
  draw(): void;
  /** Prints a line above it. */
  log(line: string): void;
  /** Leaves it as an ordinary line. */
  stop(): void;
}

const ERASE_LINE = '\r\x1b[K';
const ERASE_BELOW = '\r\x1b[J';
const [WRAP_OFF, WRAP_ON] = ['\x1b[?7l', '\x1b[?7h'];
const [CURSOR_OFF, CURSOR_ON] = ['\x1b[?25l', '\x1b[?25h'];

/**
 * Keeps a line at the bottom of a terminal, until `stop` or until the process ends.
 *
 * The cursor rests at the beginning of the line. Where the terminal's width changes, some terminals wrap the line anew,
 * some cut it; in all of them the cursor stays at its beginning, so that the line can be taken away without moving up
 * into what stands above.
 * @param text what it says in so many columns; what is longer is cut
 * @param stream the terminal that it is on
 * @param others streams that may end at the same terminal: what is written to them goes above the line too
 */
export function bottomLine(
  text: (columns: number) => string,
  stream: WriteStream,
  others: readonly WriteStream[],
): BottomLine {
  const write: (chunk: string) => boolean = stream.write.bind(stream);
  // A terminal that does not know its width says 0. In the last column some terminals wrap already.
  const fitted = () => {
    const columns = (stream.columns || 80) - 1;
    return [...text(columns)].slice(0, columns).join('');
  };
  let shown = true;
  /** Whether others' writing ended in the middle of a line; the bottom line waits for its end. */
  let midLine = false;
  const redraw = (erase: string) => {
    if (shown && !midLine) write(`${erase}${WRAP_OFF}${fitted()}${WRAP_ON}\r`);
  };
  const onResize = () => redraw(ERASE_BELOW);

  const unhook = [...new Set([stream, ...others])]
    .filter(({ isTTY }) => isTTY)
    .map((hooked) => {
      // eslint-disable-next-line @typescript-eslint/unbound-method -- it is given back as it was
      const original = hooked.write;
      const above = (...args: Parameters<typeof original>) => {
        // Whoever took hold of this function meanwhile goes on writing through it.
        if (!shown) return original.apply(hooked, args);
        if (!midLine) write(ERASE_LINE);
        const flushed = original.apply(hooked, args);
        const [chunk] = args;
        if (chunk.length > 0) midLine = chunk.at(-1) !== (typeof chunk === 'string' ? '\n' : 10);
        redraw('');
        return flushed;
      };
      hooked.write = above as typeof original;
      return () => {
        if (hooked.write === above) hooked.write = original;
      };
    });

  function stop() {
    if (!shown) return;
    write(`${midLine ? '\n' : ERASE_LINE}${fitted()}\n${CURSOR_ON}`);
    shown = false;
    for (const restore of unhook) restore();
    stream.off('resize', onResize);
    forget();
  }
  const forget = onExit(stop);
  stream.on('resize', onResize);
  write(CURSOR_OFF);
  redraw('');
  return {
    draw: () => redraw(ERASE_LINE),
    log: (line) => void stream.write(`${midLine ? '\n' : ''}${line}\n`),
    stop,
  };
}
