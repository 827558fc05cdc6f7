/**
 * The file of the model, a checkpoint as safetensors: to be read by `@ddpm/checkpoint` in Node, or fetched by a page.
 * `ddpm-sample --pretrained fashion-mnist` draws with it.
 */
export const checkpoint: URL = new URL('../weights/checkpoint.safetensors', import.meta.url);
