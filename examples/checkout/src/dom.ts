// Small helpers to build a page. Text is always text: nothing here parses HTML from outside.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>;

/** Makes an element: attributes by name, handlers as `onevent`, and children. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(name, value === true ? '' : String(value));
    }
  }
  node.append(...children.filter((child): child is Node | string => Boolean(child)));
  return node;
}

/** The element that the page has, and must have. */
export function need<T extends Element>(selector: string): T {
  const node = document.querySelector<T>(selector);
  if (!node) throw new Error(`the page lacks ${selector}`);
  return node;
}

/** Tells a screen reader, and nobody else. */
export function announce(text: string): void {
  const announcer = document.querySelector('.announcer');
  if (announcer) announcer.textContent = text;
}

/** What a person may read of an error. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'Something went wrong. Please try again.';
}

/** Fills the page with one message, and leads who can not see it there. */
export function showMessage(main: HTMLElement, title: string, ...children: Child[]): void {
  const heading = el('h1', { tabindex: -1 }, title);
  main.className = 'message';
  main.replaceChildren(heading, ...children.filter((child): child is Node | string => Boolean(child)));
  heading.focus();
}

export const SPINNER = () => el('span', { class: 'spinner', 'aria-hidden': 'true' });

/** Says on which money this runs, where it is not real money. */
export function showMode(mode: string): void {
  if (mode === 'live') return;
  const text = mode === 'sandbox'
    ? 'A demo on a stand-in for Stripe: no card is charged and nothing is shipped. Never enter a real card.'
    : 'Test mode: no card is charged and nothing is shipped.';
  need('.foot').replaceChildren(el('p', {}, text));
}
