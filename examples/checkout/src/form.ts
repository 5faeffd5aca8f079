// Forms of the seller page. Each form sends one request at a time and shows its own errors.

import { Problem } from './api';
import { announce, el, errorMessage, SPINNER } from './dom';
import { randomKey } from './storage';

type Control = HTMLInputElement | HTMLSelectElement;

/** Returns a control with its label and an optional hint. */
export function labeledControl(label: string, control: Control, hint = ''): HTMLElement {
  const hintId = `${control.id}-hint`;
  if (hint) control.setAttribute('aria-describedby', hintId);
  return el('div', { class: 'field' },
    el('label', { for: control.id }, label), control, hint ? el('p', { id: hintId, class: 'hint' }, hint) : null);
}

/** Returns an error message, including the API's field errors. */
export function describeError(error: unknown): string {
  const fields = error instanceof Problem ? error.errors : [];
  const details = fields.map(({ pointer, detail }) => `${pointer.slice(1).replaceAll('_', ' ')}: ${detail}.`);
  return [errorMessage(error), ...details].join(' ');
}

export interface Action {
  /** The content of the button. */
  label: (Node | string)[];
  /** The CSS class of the button. */
  className?: string;
  fields?: Node[];
  /** Runs on submit. The returned text is announced to screen readers. */
  run: () => Promise<string | void>;
  /** Called with an error after the form shows it. */
  onError?: (error: unknown) => void;
}

/** Returns a form that runs one action. A form without fields is only a button. */
export function actionForm({ label, className = 'button', fields = [], run, onError }: Action): HTMLFormElement {
  const alert = el('p', { class: 'alert', role: 'alert', hidden: true });
  const button = el('button', { type: 'submit', class: className }, ...label);
  const content = [...button.childNodes];
  const form = el('form', { class: 'action-form' }, fields.length ? el('div', { class: 'fields' }, ...fields) : null, alert, button);
  let isBusy = false;
  const setBusy = (value: boolean) => {
    isBusy = value;
    // `disabled` would move the focus away from the button.
    for (const name of ['aria-disabled', 'aria-busy']) button.setAttribute(name, String(value));
    button.replaceChildren(...(isBusy ? [SPINNER(), ...content] : content));
  };
  const submit = async () => {
    if (isBusy) return;
    alert.hidden = true;
    setBusy(true);
    try {
      announce(await run() ?? '');
    } catch (error) {
      alert.textContent = describeError(error);
      alert.hidden = false;
      onError?.(error);
    } finally {
      setBusy(false);
    }
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void submit();
  });
  return form;
}

/** Navigates to another site. Never resolves, so the form stays busy and can't be submitted again. */
export function redirectTo(url: string): Promise<never> {
  window.location.assign(url);
  return new Promise(() => {});
}

/**
 * Wraps a request with an idempotency key. A retry after a lost response uses the same key. After a success or a 4xx
 * error, the next call uses a new key, because the API replays such responses.
 */
export function idempotent<T>(create: (idempotencyKey: string) => Promise<T>): () => Promise<T> {
  let key = randomKey();
  return async () => {
    try {
      const created = await create(key);
      key = randomKey();
      return created;
    } catch (error) {
      if (error instanceof Problem && error.status >= 400 && error.status < 500) key = randomKey();
      throw error;
    }
  };
}
