import type { Agreement, Facts, Portraits } from '@ddpm/datasets';
import { agreement, openPixelArt, portraitReader, unseenWords } from '@ddpm/datasets';
import type { Dataset } from '@ddpm/datasets';
import { orderOf } from '@ddpm/evaluation';

/** How far drawn portraits show what was asked for, and of how many that was read. */
export interface Attributes {
  readonly n: number;
  /** Combinations of colours that training had. */
  readonly seen: Agreement;
  /** Combinations that training lacked. */
  readonly heldOut: Agreement;
  /** Attributes in words that training never had. */
  readonly unseenWords: Agreement;
}

/** Captions of portraits to draw, and the facts that each states. */
export interface Order {
  readonly captions: readonly string[];
  readonly facts: readonly Facts[];
}

/** Portraits to draw, of combinations that training had, of those that it lacked, and in other words. */
export interface Orders {
  readonly seen: Order;
  readonly heldOut: Order;
  /** Combinations that training had, said in words that it never had; their facts are those that such words say. */
  readonly unseenWords: Order;
}

/** The captions of so many portraits, in plain words, and what they say; drawn by chance. */
export async function openOrders(n: { seen: number; heldOut: number }, seed: number): Promise<Orders> {
  const [test, heldOut] = [await openPixelArt({ split: 'test' }), await openPixelArt({ split: 'held-out' })];
  return {
    seen: orderFrom(test, n.seen, seed),
    heldOut: orderFrom(heldOut, n.heldOut, seed),
    unseenWords: inOtherWords(test, n.heldOut, seed),
  };
}

/** Portraits that there are other words for, in these. */
function inOtherWords(portraits: Portraits, n: number, seed: number): Order {
  const said = Array.from(orderOf(portraits.size, seed).subarray(0, 2 * n), (i) => unseenWords(portraits.facts(i)));
  const fit = said.filter(({ facts }) => Object.keys(facts).length > 0);
  const chosen = Array.from({ length: n }, (_, i) => fit[i % fit.length]);
  return { captions: chosen.map(({ caption }) => caption), facts: chosen.map(({ facts }) => facts) };
}

function orderFrom(portraits: Portraits, n: number, seed: number): Order {
  const numbers = orderOf(portraits.size, seed);
  const chosen = Array.from({ length: n }, (_, i) => numbers[i % numbers.length]);
  return { captions: chosen.map((i) => portraits.captions(i)[0]), facts: chosen.map((i) => portraits.facts(i)) };
}

/** Reads from the first n of the drawn portraits what they show. */
export async function readAttributes(
  drawn: Readonly<Record<keyof Orders, Dataset>>,
  orders: Orders,
  n: number,
  onProgress: (done: number) => void,
): Promise<Attributes> {
  const read = await portraitReader();
  let done = 0;
  const compared = async (images: Dataset, { facts }: Order) => {
    const shown: Facts[] = [];
    for (let i = 0; i < n; i++) {
      shown.push(read(await images.image(i)).facts);
      onProgress(++done);
    }
    return agreement(facts.slice(0, n), shown);
  };
  return {
    n,
    seen: await compared(drawn.seen, orders.seen),
    heldOut: await compared(drawn.heldOut, orders.heldOut),
    unseenWords: await compared(drawn.unseenWords, orders.unseenWords),
  };
}
