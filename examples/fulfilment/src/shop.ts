// The shop's own records: its stock, and the mails it sends. Each message changes them once, however often it comes
// and whenever this process dies.
//
// Everything that a message changes is written as one line to a journal, and the line is on the disk before the message
// is acknowledged. Stock and mails follow from the journal: a process that starts reads it, so that what was half-done
// is done, and what was done is known. In a shop with a database, the journal is a table with the message's id as its
// key, and stock and mails are changed in the same transaction.

import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Order } from './events.ts';

type Entry = { message: string; order: Order };

export class Shop {
  readonly #directory: string;
  readonly #initial: Record<string, number>;
  readonly #entries: Entry[] = [];
  readonly #done = new Set<string>();
  readonly #fulfilled = new Set<string>();
  readonly #journal: number;

  /** Opens the records in a directory; `stock.initial.json` in it says how many there are of each product. */
  constructor(directory: string) {
    this.#directory = directory;
    const initial = join(directory, 'stock.initial.json');
    this.#initial = existsSync(initial) ? JSON.parse(readFileSync(initial, 'utf8')) : {};
    const journal = join(directory, 'journal.jsonl');
    if (existsSync(journal)) {
      const whole = readFileSync(journal, 'utf8').split('\n');
      // What stands behind the last line break was cut off by a crash: it was never acknowledged, and comes again.
      const torn = whole.pop();
      for (const line of whole) this.#take(JSON.parse(line));
      if (torn) writeWhole(journal, whole.map((line) => `${line}\n`).join(''));
    }
    this.#journal = openSync(journal, 'a');
    this.#write();
  }

  /** Takes a paid order in; false if this message, or another of this order, was here before. */
  fulfil(message: string, order: Order): boolean {
    if (this.#done.has(message) || this.#fulfilled.has(order.id)) return false;
    const entry = { message, order };
    writeSync(this.#journal, `${JSON.stringify(entry)}\n`);
    fsyncSync(this.#journal);
    this.#take(entry);
    this.#write();
    return true;
  }

  close(): void {
    closeSync(this.#journal);
  }

  #take(entry: Entry): void {
    this.#entries.push(entry);
    this.#done.add(entry.message);
    this.#fulfilled.add(entry.order.id);
  }

  #write(): void {
    const stock = { ...this.#initial };
    for (const { order } of this.#entries) {
      for (const item of order.items) stock[item.product_id] = (stock[item.product_id] ?? 0) - item.quantity;
    }
    writeWhole(join(this.#directory, 'stock.json'), `${JSON.stringify(stock, null, 2)}\n`);
    writeWhole(join(this.#directory, 'mails.txt'), this.#entries.map(({ order }) => mail(order)).join('\n'));
  }
}

function mail(order: Order): string {
  const items = order.items.map((item) => `  ${item.quantity} x ${item.name}`).join('\n');
  const total = `${order.amount_total} (minor units of ${order.currency.toUpperCase()})`;
  return [
    `To: ${order.customer.email ?? 'unknown'}`,
    `Subject: Your order ${order.id}`,
    '',
    `Thank you${order.customer.name ? `, ${order.customer.name}` : ''}. We have received your payment of ${total} for`,
    items,
    '',
  ].join('\n');
}

/** Writes a file so that a crash leaves the old one or the new one. */
function writeWhole(path: string, text: string): void {
  const draft = `${path}.draft`;
  const file = openSync(draft, 'w');
  writeFileSync(file, text);
  fsyncSync(file);
  closeSync(file);
  renameSync(draft, path);
}
