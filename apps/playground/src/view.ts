/** What the page gives a view. */
export interface Context {
  /** What the link says. */
  readonly settings: Readonly<Record<string, string>>;
  /** Puts settings into the link. */
  readonly remember: (settings: Readonly<Record<string, string>>) => void;
}

/** A view on the page. */
export interface View {
  /** Takes a file that was dropped. */
  readonly take?: (file: File) => void;
  /** Ends what it does. */
  readonly leave: () => void;
}

/** Makes a view within an element. */
export type Show = (root: HTMLElement, context: Context) => View;
