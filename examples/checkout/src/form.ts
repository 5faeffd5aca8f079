// Forms of the seller page: each asks the API for one thing, once at a time, and says itself what went wrong.

import { Problem } from './api';
import { announce, el, messageOf, SPINNER } from './dom';
import { randomKey } from './memory';

type Control = HTMLInputElement | HTMLSelectElement;

/** A control with its label, and with a word on it where that is needed. */
export function labelled(label: string, control: Control, hint = ''): HTMLElement {
  const hintId = `${control.id}-hint`;
  if (hint) control.setAttribute('aria-describedby', hintId);
  return el('div', { class: 'field' },
    el('label', { for: control.id }, label), control, hint ? el('p', { id: hintId, class: 'hint' }, hint) : null);
}

/** What went wrong, with the fields that the API names. */
export function reasonOf(error: unknown): string {
  const fields = error instanceof Problem ? error.errors : [];
  const details = fields.map(({ pointer, detail }) => `${pointer.slice(1).replaceAll('_', ' ')}: ${detail}.`);
  return [messageOf(error), ...details].join(' ');
}

export interface Task {
  /** What the button says. */
  label: (Node | string)[];
  /** How the button looks. */
  look?: string;
  fields?: Node[];
  /** What is done when it is sent. What it answers is told to screen readers. */
  work: () => Promise<string | void>;
  /** Hears of what went wrong, besides the form. */
  failed?: (error: unknown) => void;
}

/** A form that does one thing. Without fields it is a button. */
export function taskForm({ label, look = 'button', fields = [], work, failed }: Task): HTMLFormElement {
  const alert = el('p', { class: 'alert', role: 'alert', hidden: true });
  const button = el('button', { type: 'submit', class: look }, ...label);
  const face = [...button.childNodes];
  const form = el('form', { class: 'task' }, fields.length ? el('div', { class: 'fields' }, ...fields) : null, alert, button);
  let isBusy = false;
  const busy = (is: boolean) => {
    isBusy = is;
    // Not `disabled`: who has just pressed it would lose their place on the page.
    for (const name of ['aria-disabled', 'aria-busy']) button.setAttribute(name, String(is));
    button.replaceChildren(...(isBusy ? [SPINNER(), ...face] : face));
  };
  const run = async () => {
    if (isBusy) return;
    alert.hidden = true;
    busy(true);
    try {
      announce(await work() ?? '');
    } catch (error) {
      alert.textContent = reasonOf(error);
      alert.hidden = false;
      failed?.(error);
    } finally {
      busy(false);
    }
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void run();
  });
  return form;
}

/** Goes to another site. What was begun here is never over, so that nothing can be pressed a second time. */
export function leaveFor(url: string): Promise<never> {
  window.location.assign(url);
  return new Promise(() => {});
}

/**
 * Asks for something to be made, once: a lost answer is asked for with the same idempotency key, and what was
 * refused, which it is for ever with that key, with another.
 */
export function once<T>(make: (idempotencyKey: string) => Promise<T>): () => Promise<T> {
  let key = randomKey();
  return async () => {
    try {
      const made = await make(key);
      key = randomKey();
      return made;
    } catch (error) {
      if (error instanceof Problem && error.status >= 400 && error.status < 500) key = randomKey();
      throw error;
    }
  };
}
