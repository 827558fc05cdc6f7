/** The page, as a view sees it. */
export interface Context {
  /** The link's settings. */
  readonly settings: Readonly<Record<string, string>>;
  /** Puts settings into the link. */
  readonly remember: (settings: Readonly<Record<string, string>>) => void;
}

/** A view on the page. */
export interface View {
  /** Takes files that were dropped, at least one. */
  readonly take?: (files: readonly File[]) => void;
  /** Ends what it does. */
  readonly leave: () => void;
}

/** Makes a view within an element. */
export type Show = (root: HTMLElement, context: Context) => View;
