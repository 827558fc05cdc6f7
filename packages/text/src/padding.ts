/** The id of padding, in every tokenizer here. */
export const PADDING = 0;
