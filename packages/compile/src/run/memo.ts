/**
 * Opens something for each key once, however often it is asked for. A failure is reported to whoever asked, and tried
 * anew the next time.
 */
export class Memo<K, T> {
  private readonly opened = new Map<K, Promise<T>>();

  get(key: K, open: () => T | Promise<T>): Promise<T> {
    let opening = this.opened.get(key);
    if (!opening) {
      // Nothing that `open` throws is thrown before there is a promise of it.
      opening = Promise.resolve().then(open);
      this.opened.set(key, opening);
      opening.catch(() => this.opened.delete(key));
    }
    return opening;
  }

  async close(close: (value: T) => Promise<void>): Promise<void> {
    const settled = await Promise.allSettled(this.opened.values());
    this.opened.clear();
    for (const result of settled) if (result.status === 'fulfilled') await close(result.value);
  }
}
