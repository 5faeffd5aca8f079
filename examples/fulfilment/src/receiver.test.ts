// The receiver as a process of its own, sent what Quittance sends. Where QUITTANCE_BIN names the service's binary, the
// service itself sends it.

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

function directory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'fulfilment-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Starts a program, and waits for the part of its output that a pattern finds. */
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
  assert.ok(found[0], `${program} ended before it was ready`);
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

function send(url: string, id: string, type: string, data: unknown, change = (body: string) => body) {
  const at = new Date();
  const body = JSON.stringify({ id, type, timestamp: at.toISOString(), api_version: 'v1', sequence: 3, data });
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(SECRET).sign(id, at, body),
  };
  return fetch(url, { method: 'POST', headers, body: change(body) });
}

const stock = (records: string) => JSON.parse(readFileSync(join(records, 'stock.json'), 'utf8'));
const mails = (records: string) => readFileSync(join(records, 'mails.txt'), 'utf8').match(/^Subject: .*/gm) ?? [];

test('a paid order is fulfilled once, however often it is told and whenever the process dies', async (t) => {
  const records = directory(t);
  writeFileSync(join(records, 'stock.initial.json'), JSON.stringify({ prd_1: 10 }));
  let { child, found: url } = await startReceiver(t, records);
  assert.equal((await send(url, 'msg_1', 'order.paid', order('ord_1'))).status, 200);
  assert.deepEqual(stock(records), { prd_1: 8 });
  assert.deepEqual(mails(records), ['Subject: Your order ord_1']);

  assert.equal(await (await send(url, 'msg_1', 'order.paid', order('ord_1'))).text(), 'was here before\n');
  await kill(child);
  // What a crash in the middle of a line leaves.
  appendFileSync(join(records, 'journal.jsonl'), '{"message":"msg_2","order":{"id"');
  ({ child, found: url } = await startReceiver(t, records));
  assert.equal(await (await send(url, 'msg_1', 'order.paid', order('ord_1'))).text(), 'was here before\n');
  assert.equal(await (await send(url, 'msg_2', 'order.paid', order('ord_2', 1))).text(), 'fulfilled\n');
  await kill(child);
  ({ child, found: url } = await startReceiver(t, records));
  assert.equal(await (await send(url, 'msg_2', 'order.paid', order('ord_2', 1))).text(), 'was here before\n');
  assert.deepEqual(stock(records), { prd_1: 7 });
  assert.deepEqual(mails(records), ['Subject: Your order ord_1', 'Subject: Your order ord_2']);
});

test('what is not signed, not for it, or no POST changes nothing', async (t) => {
  const records = directory(t);
  const { found: url } = await startReceiver(t, records);
  const flipped = (body: string) => body.replace('4998', '4999');
  assert.equal((await send(url, 'msg_1', 'order.paid', order('ord_1'), flipped)).status, 401);
  assert.equal((await fetch(url, { method: 'POST', body: '{}' })).status, 401);
  assert.equal((await fetch(url)).status, 405);
  const created = await send(url, 'msg_2', 'order.created', order('ord_1'));
  assert.equal(`${created.status} ${await created.text()}`, '200 not for me\n');
  assert.deepEqual(stock(records), {});
  assert.deepEqual(mails(records), []);
});

const binary = process.env['QUITTANCE_BIN'];

test('the service itself tells it of a paid order', { skip: !binary && 'QUITTANCE_BIN is not set' }, async (t) => {
  const home = directory(t);
  const key = `qsk_${'0123456789'.repeat(4)}`;
  const settings = {
    QUITTANCE_LISTEN: '127.0.0.1:0',
    QUITTANCE_SANDBOX_LISTEN: '127.0.0.1:0',
    QUITTANCE_SECRET_KEY: key,
    QUITTANCE_LOG: 'warn',
  };
  const service = await start(t, [binary ?? ''], settings, home, /API\s+(http:\S+)/);
  const api = service.found;
  const call = async (method: string, path: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const response = await fetch(api + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
    assert.ok(response.ok, await response.clone().text());
    return response.json() as Promise<any>;
  };
  // The secret is known only once there is an endpoint, and the port only once the receiver runs with it.
  const body = { url: 'http://127.0.0.1:1/', event_types: ['order.paid'] };
  const endpoint = await call('POST', '/v1/webhook_endpoints', body);
  const { found: url } = await startReceiver(t, home, endpoint.secret);
  await call('PATCH', `/v1/webhook_endpoints/${endpoint.id}`, { url: `${url}/` });
  const product = await call('POST', '/v1/products', { name: 'Fountain pen', unit_amount: 2499, currency: 'eur' });
  const placed = await call('POST', '/v1/orders', { items: [{ product_id: product.id, quantity: 2 }], customer: { email: 'ada@example.com' } });
  const intent = await call('POST', `/v1/orders/${placed.id}/payment_intent`);
  const config = await call('GET', '/v1/config');
  const stripe = new URL(config.stripe_js_url).origin;
  const paid = await fetch(`${stripe}/v1/payment_intents/${intent.payment_intent_id}/confirm`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk_test_sandbox' },
    body: new URLSearchParams({ payment_method: 'pm_card_visa', return_url: 'https://shop.example/' }),
  });
  assert.equal(paid.status, 200, await paid.text());
  for (let look = 0; look < 600 && mails(home).length === 0; look += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.deepEqual(mails(home), [`Subject: Your order ${placed.id}`]);
  assert.deepEqual(stock(home), { [product.id]: -2 });
});
