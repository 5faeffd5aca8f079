// What a shop does with a client that is generated from openapi/quittance.json: reads the catalogue, places an order,
// pays it, and learns that it is paid. Against a service with its sandbox: QUITTANCE_URL, QUITTANCE_SANDBOX_URL.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import createClient from 'openapi-fetch';
import type { components, paths } from './api.js';

type Problem = components['schemas']['Problem'];

function environment(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
}

/** What a call answered, if it did not fail. */
function well<T>(answer: { data?: T; error?: Problem; response: Response }): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.status} ${answer.error?.code}: ${answer.error?.detail}`);
  }
  return answer.data;
}

const api = createClient<paths>({ baseUrl: environment('QUITTANCE_URL') });
const sandbox = environment('QUITTANCE_SANDBOX_URL');

const config = well(await api.GET('/v1/config'));
assert.equal(config.mode, 'sandbox');

const catalogue = well(await api.GET('/v1/products', { params: { query: { limit: 2 } } }));
const [product] = catalogue.data;
assert.ok(product, 'the sandbox has something to buy');

// The same key again is the same order.
const placement = {
  params: { header: { 'Idempotency-Key': randomUUID() } },
  body: {
    items: [{ product_id: product.id, quantity: 2 }],
    customer: { email: 'jenny.rosen@example.com', name: 'Jenny Rosen' },
  },
};
const order = well(await api.POST('/v1/orders', placement));
assert.equal(order.status, 'pending');
assert.equal(order.amount_total, 2 * product.unit_amount);
const again = well(await api.POST('/v1/orders', placement));
assert.deepEqual([again.id, again.client_token], [order.id, order.client_token]);

const path = { id: order.id };
const headers = { Authorization: `Bearer ${order.client_token}` };
const intent = well(await api.POST('/v1/orders/{id}/payment_intent', { params: { path }, headers }));
assert.equal(intent.amount, order.amount_total);
assert.equal(intent.status, 'requires_payment_method');

// In a browser, Stripe.js does this.
const confirmation = await fetch(`${sandbox}/v1/payment_intents/${intent.payment_intent_id}/confirm`, {
  method: 'POST',
  body: new URLSearchParams({
    key: config.publishable_key,
    client_secret: intent.client_secret,
    payment_method: 'pm_card_visa',
    return_url: 'http://127.0.0.1/return',
  }),
});
assert.equal(confirmation.status, 200, await confirmation.text());

const payment = well(
  await api.GET('/v1/orders/{id}/payment', {
    params: { path, query: { wait: 20, after: order.version } },
    headers,
  }),
);
assert.deepEqual([payment.status, payment.order_status], ['succeeded', 'paid']);

const paid = well(await api.GET('/v1/orders/{id}', { params: { path }, headers }));
assert.equal(paid.status, 'paid');
assert.equal(paid.amount_paid, order.amount_total);
assert.equal(paid.payment?.payment_intent_id, intent.payment_intent_id);
assert.equal(paid.payment?.last_error, null);

// Somebody else's order is as good as none. A failure is typed, too.
const other = { id: 'ord_00000000000000000000000000' };
const { data, error, response } = await api.GET('/v1/orders/{id}', { params: { path: other }, headers });
assert.equal(data, undefined);
assert.equal(response.status, 404);
const problem: Problem | undefined = error;
assert.equal(problem?.code, 'not_found');
assert.equal(problem.request_id, response.headers.get('X-Request-Id'));

console.log(`TypeScript: ${paid.id} is ${paid.status}`);
