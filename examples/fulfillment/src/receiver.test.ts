// Tests the receiver as a process. If QUITTANCE_BIN names the service's binary, one test runs with the real service.

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { Webhook } from 'standardwebhooks';

const SECRET = `whsec_${Buffer.from('a secret of this test, 32 bytes!').toString('base64')}`;

function order(id: string, quantity = 2) {
  return {
    id,
    status: 'paid',
    currency: 'eur',
    amount_total: 4998,
    items: [{ product_id: 'prd_1', name: 'Fountain pen', quantity, amount: 4998 }],
    customer: { email: 'ada@example.com', name: 'Ada' },
  };
}

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'fulfillment-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Starts a program and waits until its output matches a pattern. Returns the first capture group. */
async function start(t: TestContext, command: string[], env: Record<string, string>, cwd: string, pattern: RegExp) {
  const [program = '', ...rest] = command;
  const path = process.env['PATH'] ?? '';
  const child = spawn(program, rest, { env: { PATH: path, ...env }, cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const found: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const match = pattern.exec(line);
    if (match?.[1]) found.push(match[1]);
    if (found.length > 0) break;
  }
  child.stdout.resume();
  assert.ok(found[0], `${program} exited before it was ready`);
  return { child, found: found[0] };
}

function startReceiver(t: TestContext, records: string, secret = SECRET) {
  const main = join(import.meta.dirname, 'main.js');
  const env = { WEBHOOK_SECRET: secret, RECORDS: records, PORT: '0' };
  return start(t, [process.execPath, main], env, records, /(http:\S+)\/,/);
}

async function kill(child: ChildProcess) {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Sends a signed event. `tamper` changes the body after signing. */
function send(url: string, id: string, type: string, data: unknown, tamper = (body: string) => body) {
  const sentAt = new Date();
  const body = JSON.stringify({ id, type, timestamp: sentAt.toISOString(), api_version: 'v1', sequence: 3, data });
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
    'webhook-signature': new Webhook(SECRET).sign(id, sentAt, body),
  };
  return fetch(url, { method: 'POST', headers, body: tamper(body) });
}

const sendPaidOrder = async (url: string, messageId: string, data: unknown) =>
  (await send(url, messageId, 'order.paid', data)).text();

const stock = (records: string) => JSON.parse(readFileSync(join(records, 'stock.json'), 'utf8'));
const mails = (records: string) => readFileSync(join(records, 'mails.txt'), 'utf8').match(/^Subject: .*/gm) ?? [];

test('a paid order reduces stock and writes a confirmation email', async (t) => {
  const records = temporaryDirectory(t);
  writeFileSync(join(records, 'stock.initial.json'), JSON.stringify({ prd_1: 10 }));
  const { found: url } = await startReceiver(t, records);

  const response = await send(url, 'msg_1', 'order.paid', order('ord_1'));

  assert.equal(response.status, 200);
  assert.deepEqual(stock(records), { prd_1: 8 });
  assert.deepEqual(mails(records), ['Subject: Your order ord_1']);
});

test('a message delivered twice is processed once', async (t) => {
  const records = temporaryDirectory(t);
  const { found: url } = await startReceiver(t, records);
  await sendPaidOrder(url, 'msg_1', order('ord_1'));

  const outcome = await sendPaidOrder(url, 'msg_1', order('ord_1'));

  assert.equal(outcome, 'already fulfilled\n');
  assert.deepEqual(stock(records), { prd_1: -2 });
  assert.deepEqual(mails(records), ['Subject: Your order ord_1']);
});

test('a second message about the same order changes nothing', async (t) => {
  const records = temporaryDirectory(t);
  const { found: url } = await startReceiver(t, records);
  await sendPaidOrder(url, 'msg_1', order('ord_1'));

  const outcome = await sendPaidOrder(url, 'msg_2', order('ord_1'));

  assert.equal(outcome, 'already fulfilled\n');
  assert.deepEqual(stock(records), { prd_1: -2 });
});

test('a message processed before a crash is not processed again', async (t) => {
  const records = temporaryDirectory(t);
  const first = await startReceiver(t, records);
  await sendPaidOrder(first.found, 'msg_1', order('ord_1'));
  await kill(first.child);

  const { found: url } = await startReceiver(t, records);
  const outcome = await sendPaidOrder(url, 'msg_1', order('ord_1'));

  assert.equal(outcome, 'already fulfilled\n');
  assert.deepEqual(stock(records), { prd_1: -2 });
  assert.deepEqual(mails(records), ['Subject: Your order ord_1']);
});

test('a message cut off by a crash is processed when it is sent again', async (t) => {
  const records = temporaryDirectory(t);
  const first = await startReceiver(t, records);
  await sendPaidOrder(first.found, 'msg_1', order('ord_1'));
  await kill(first.child);
  appendFileSync(join(records, 'journal.jsonl'), '{"message":"msg_2","order":{"id"');

  const second = await startReceiver(t, records);
  assert.equal(await sendPaidOrder(second.found, 'msg_2', order('ord_2', 1)), 'fulfilled\n');

  await kill(second.child);
  const { found: url } = await startReceiver(t, records);
  assert.equal(await sendPaidOrder(url, 'msg_2', order('ord_2', 1)), 'already fulfilled\n');
  assert.deepEqual(stock(records), { prd_1: -3 });
  assert.deepEqual(mails(records), ['Subject: Your order ord_1', 'Subject: Your order ord_2']);
});

test('a tampered message is rejected', async (t) => {
  const records = temporaryDirectory(t);
  const { found: url } = await startReceiver(t, records);
  const changeAmount = (body: string) => body.replace('4998', '4999');

  const response = await send(url, 'msg_1', 'order.paid', order('ord_1'), changeAmount);

  assert.equal(response.status, 401);
  assert.deepEqual(stock(records), {});
  assert.deepEqual(mails(records), []);
});

test('an unsigned message is rejected', async (t) => {
  const { found: url } = await startReceiver(t, temporaryDirectory(t));

  const response = await fetch(url, { method: 'POST', body: '{}' });

  assert.equal(response.status, 401);
});

test('a request other than POST is rejected', async (t) => {
  const { found: url } = await startReceiver(t, temporaryDirectory(t));

  const response = await fetch(url);

  assert.equal(response.status, 405);
});

test('an event of another type is acknowledged and ignored', async (t) => {
  const records = temporaryDirectory(t);
  const { found: url } = await startReceiver(t, records);

  const response = await send(url, 'msg_2', 'order.created', order('ord_1'));

  assert.equal(response.status, 200);
  assert.equal(await response.text(), 'ignored\n');
  assert.deepEqual(stock(records), {});
  assert.deepEqual(mails(records), []);
});

const binary = process.env['QUITTANCE_BIN'];

interface Service {
  call: (method: string, path: string, body?: unknown) => Promise<any>;
}

async function startService(t: TestContext, directory: string): Promise<Service> {
  const key = `qsk_${'0123456789'.repeat(4)}`;
  const settings = {
    QUITTANCE_LISTEN: '127.0.0.1:0',
    QUITTANCE_SANDBOX_LISTEN: '127.0.0.1:0',
    QUITTANCE_SECRET_KEY: key,
    QUITTANCE_LOG: 'warn',
  };
  const { found: url } = await start(t, [binary ?? ''], settings, directory, /API\s+(http:\S+)/);
  const call = async (method: string, path: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const response = await fetch(url + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
    assert.ok(response.ok, await response.clone().text());
    return response.json() as Promise<any>;
  };
  return { call };
}

/** Pays an order with a test card, as Stripe.js would. */
async function pay({ call }: Service, orderId: string): Promise<void> {
  const intent = await call('POST', `/v1/orders/${orderId}/payment_intent`);
  const config = await call('GET', '/v1/config');
  const stripe = new URL(config.stripe_js_url).origin;
  const response = await fetch(`${stripe}/v1/payment_intents/${intent.payment_intent_id}/confirm`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk_test_sandbox' },
    body: new URLSearchParams({ payment_method: 'pm_card_visa', return_url: 'https://shop.example/' }),
  });
  assert.equal(response.status, 200, await response.text());
}

test('an order paid in the real service is fulfilled', { skip: !binary && 'QUITTANCE_BIN is not set' }, async (t) => {
  const records = temporaryDirectory(t);
  const service = await startService(t, records);
  // The endpoint must exist before the receiver knows its secret. The receiver must run before its port is known.
  const endpoint = await service.call('POST', '/v1/webhook_endpoints',
    { url: 'http://127.0.0.1:1/', event_types: ['order.paid'] });
  const { found: url } = await startReceiver(t, records, endpoint.secret);
  await service.call('PATCH', `/v1/webhook_endpoints/${endpoint.id}`, { url: `${url}/` });
  const product = await service.call('POST', '/v1/products', { name: 'Fountain pen', unit_amount: 2499, currency: 'eur' });
  const placed = await service.call('POST', '/v1/orders',
    { items: [{ product_id: product.id, quantity: 2 }], customer: { email: 'ada@example.com' } });

  await pay(service, placed.id);

  await waitUntil(() => mails(records).length > 0);
  assert.deepEqual(mails(records), [`Subject: Your order ${placed.id}`]);
  assert.deepEqual(stock(records), { [product.id]: -2 });
});

/** Waits until a condition holds, for at most 30 seconds. */
async function waitUntil(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'the condition did not become true within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
