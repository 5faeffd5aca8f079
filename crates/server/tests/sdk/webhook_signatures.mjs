// Signs events with Stripe's own library and delivers them to a running service.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const sandboxTests = new URL('../../../sandbox/tests/sdk/package.json', import.meta.url);
const Stripe = createRequire(sandboxTests)('stripe');
const stripe = new (Stripe.default ?? Stripe)('sk_test_unused');

const url = process.env.WEBHOOK_URL;
const [secret, nextSecret] = process.env.WEBHOOK_SECRETS.split(',');
const nowSeconds = () => Math.floor(Date.now() / 1000);

/** Returns an event as Stripe sends it, with this event ID. */
function payload(template, id) {
  return JSON.stringify({ ...JSON.parse(template), id }, null, 2);
}

async function deliver(body, signature) {
  const headers = { 'Content-Type': 'application/json; charset=utf-8', 'Stripe-Signature': signature };
  const response = await fetch(url, { method: 'POST', headers, body });
  return { status: response.status, answer: await response.json() };
}

function sign(body, options = {}) {
  return stripe.webhooks.generateTestHeaderString({ payload: body, secret, ...options });
}

async function accepted(what, body, signature) {
  const { status, answer } = await deliver(body, signature);
  assert.equal(status, 200, `${what}: ${JSON.stringify(answer)}`);
  assert.deepEqual(answer, { received: true }, what);
}

async function refused(what, body, signature) {
  const { status, answer } = await deliver(body, signature);
  assert.equal(status, 400, `${what}: ${JSON.stringify(answer)}`);
  assert.equal(answer.code, 'invalid_signature', what);
}

const succeeded = payload(process.env.SUCCEEDED, 'evt_node_succeeded');
const flipped = Buffer.from(succeeded);
flipped[flipped.indexOf('succeeded')] ^= 1;
await refused('a flipped byte', flipped, sign(succeeded));
await refused('a signature of 301 s ago', succeeded, sign(succeeded, { timestamp: nowSeconds() - 301 }));
await refused('a wrong secret', succeeded, sign(succeeded, { secret: 'whsec_wrong' }));

const processing = (id) => payload(process.env.PROCESSING, id);
const old = processing('evt_node_old');
await accepted('a signature of 299 s ago', old, sign(old, { timestamp: nowSeconds() - 299 }));
const rolled = processing('evt_node_rolled');
await accepted('the other secret', rolled, sign(rolled, { secret: nextSecret }));
const both = processing('evt_node_both');
const other = sign(both, { secret: 'whsec_wrong' }).split(',').find((part) => part.startsWith('v1='));
await accepted('one of two signatures', both, `${sign(both)},${other}`);
await accepted('the success', succeeded, sign(succeeded));
