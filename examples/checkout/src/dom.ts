// Helpers that build pages. They insert all values as text and never parse HTML.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>;

/** Creates an element with attributes, event handlers (named `onclick`, …), and children. */
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

/** Returns an element, or throws if the page doesn't have it. */
export function requireElement<T extends Element>(selector: string): T {
  const node = document.querySelector<T>(selector);
  if (!node) throw new Error(`the page has no ${selector}`);
  return node;
}

/** Announces a text to screen readers only. */
export function announce(text: string): void {
  const announcer = document.querySelector('.announcer');
  if (announcer) announcer.textContent = text;
}

/** Returns an error message for users. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : 'Something went wrong. Please try again.';
}

/** Replaces the page with a message, and focuses its heading for screen readers. */
export function showMessage(main: HTMLElement, title: string, ...children: Child[]): void {
  const heading = el('h1', { tabindex: -1 }, title);
  main.className = 'message';
  main.replaceChildren(heading, ...children.filter((child): child is Node | string => Boolean(child)));
  heading.focus();
}

export const SPINNER = () => el('span', { class: 'spinner', 'aria-hidden': 'true' });

/** Shows a notice in the sandbox and in test mode. */
export function showMode(mode: string): void {
  if (mode === 'live') return;
  const text = mode === 'sandbox'
    ? 'This demo uses a Stripe sandbox. Cards aren’t charged, and nothing ships. Never enter a real card.'
    : 'Test mode: cards aren’t charged, and nothing ships.';
  requireElement('.foot').replaceChildren(el('p', {}, text));
}
