/** How far a download is. */
export interface Progress {
  /** Name of the file. */
  readonly name: string;
  /** Bytes so far. */
  readonly received: number;
  /** Bytes in all, where the server says. */
  readonly total?: number;
}

/**
 * The bytes at an address.
 * @param options.maxBytes gives up when more than this arrives
 * @param options.stallMs gives up when nothing arrives for so long
 * @throws Error that says what happened, if they do not arrive whole
 */
export async function download(
  url: string,
  {
    maxBytes,
    stallMs,
    onProgress,
  }: { maxBytes: number; stallMs: number; onProgress?: (received: number, total?: number) => void },
): Promise<Uint8Array> {
  const controller = new AbortController();
  const give = () => controller.abort(new Error(`nothing arrived for ${stallMs / 1000} s`));
  let timer = setTimeout(give, stallMs);
  try {
    const response = await fetch(url, { signal: controller.signal });
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status} ${response.statusText}`.trim());
    // A server that compresses on the way states another length than that of the file. (fetch itself fails where fewer
    // bytes arrive.)
    const stated = response.headers.has('content-encoding') ? 0 : Number(response.headers.get('content-length'));
    const chunks: Uint8Array[] = [];
    let received = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      timer = setTimeout(give, stallMs);
      received += chunk.length;
      if (received > maxBytes) throw new Error(`more than the ${maxBytes} bytes expected`);
      chunks.push(chunk);
      onProgress?.(received, stated || undefined);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    // fetch keeps the reason in the cause of "fetch failed" and "terminated".
    const { message, cause } = error as Error & { cause?: Partial<Error> };
    throw new Error(cause?.message ? `${message} (${cause.message})` : message, { cause: error });
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
}
