// The shop's records: its stock, and the emails it sends. Each message changes them once, even if it is delivered
// several times or the process crashes.
//
// The journal gets one line per message with everything that the message changes. The line is flushed to disk before
// the message is acknowledged. Stock and emails are derived from the journal, so a restarted process completes
// unfinished work and recognizes finished work. In a shop with a database, the journal is a table with the message ID
// as its primary key. Stock and emails then change in the same transaction.

import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Order } from './events.ts';

type JournalEntry = { message: string; order: Order };

export class Shop {
  readonly #directory: string;
  readonly #initialStock: Record<string, number>;
  readonly #entries: JournalEntry[] = [];
  readonly #messageIds = new Set<string>();
  readonly #orderIds = new Set<string>();
  readonly #journal: number;

  /** Opens the records in a directory. Its `stock.initial.json` has the initial stock per product. */
  constructor(directory: string) {
    this.#directory = directory;
    const initial = join(directory, 'stock.initial.json');
    this.#initialStock = existsSync(initial) ? JSON.parse(readFileSync(initial, 'utf8')) : {};
    const journal = join(directory, 'journal.jsonl');
    if (existsSync(journal)) {
      const lines = readFileSync(journal, 'utf8').split('\n');
      // Text after the last line break was cut off by a crash. It was never acknowledged, so Quittance sends it again.
      const partial = lines.pop();
      for (const line of lines) this.#remember(JSON.parse(line));
      if (partial) writeAtomically(journal, lines.map((line) => `${line}\n`).join(''));
    }
    this.#journal = openSync(journal, 'a');
    this.#writeRecords();
  }

  /** Fulfills a paid order. Returns false if this message or this order was already processed. */
  fulfill(message: string, order: Order): boolean {
    if (this.#messageIds.has(message) || this.#orderIds.has(order.id)) return false;
    const entry = { message, order };
    writeSync(this.#journal, `${JSON.stringify(entry)}\n`);
    fsyncSync(this.#journal);
    this.#remember(entry);
    this.#writeRecords();
    return true;
  }

  close(): void {
    closeSync(this.#journal);
  }

  #remember(entry: JournalEntry): void {
    this.#entries.push(entry);
    this.#messageIds.add(entry.message);
    this.#orderIds.add(entry.order.id);
  }

  #writeRecords(): void {
    const stock = { ...this.#initialStock };
    for (const { order } of this.#entries) {
      for (const item of order.items) stock[item.product_id] = (stock[item.product_id] ?? 0) - item.quantity;
    }
    writeAtomically(join(this.#directory, 'stock.json'), `${JSON.stringify(stock, null, 2)}\n`);
    writeAtomically(join(this.#directory, 'mails.txt'), this.#entries.map(({ order }) => confirmationEmail(order)).join('\n'));
  }
}

function confirmationEmail(order: Order): string {
  const items = order.items.map((item) => `  ${item.quantity} x ${item.name}`).join('\n');
  const total = `${order.amount_total} (minor units of ${order.currency.toUpperCase()})`;
  return [
    `To: ${order.customer.email ?? 'unknown'}`,
    `Subject: Your order ${order.id}`,
    '',
    `Thank you${order.customer.name ? `, ${order.customer.name}` : ''}. We received your payment of ${total} for`,
    items,
    '',
  ].join('\n');
}

/** Replaces a file. After a crash, the path holds either the old content or the new content. */
function writeAtomically(path: string, text: string): void {
  const draft = `${path}.draft`;
  const file = openSync(draft, 'w');
  writeFileSync(file, text);
  fsyncSync(file);
  closeSync(file);
  renameSync(draft, path);
}
