declare const SAMPLERS: Readonly<Record<string, { readonly does: string; readonly steps: 'all' | number }>>;

/** The samplers of `@ddpm/models` by name: what they are, and how many steps they take, or all of a chain's. */
export const samplers = SAMPLERS;
