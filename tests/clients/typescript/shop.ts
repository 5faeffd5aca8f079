// A shop that uses the client generated from openapi/quittance.json. It reads the catalog, places an order, pays it, and
// checks that it is paid. It needs a service in sandbox mode, with its URLs in QUITTANCE_URL and QUITTANCE_SANDBOX_URL.
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

/** Returns the data of a successful response, or throws. */
function success<T>(result: { data?: T; error?: Problem; response: Response }): T {
  if (result.data === undefined) {
    throw new Error(`${result.response.status} ${result.error?.code}: ${result.error?.detail}`);
  }
  return result.data;
}

const api = createClient<paths>({ baseUrl: environment('QUITTANCE_URL') });
const sandbox = environment('QUITTANCE_SANDBOX_URL');

const config = success(await api.GET('/v1/config'));
assert.equal(config.mode, 'sandbox');

const catalog = success(await api.GET('/v1/products', { params: { query: { limit: 2 } } }));
const [product] = catalog.data;
assert.ok(product, 'the sandbox has a product');

// A request with the same idempotency key returns the same order.
const placement = {
  params: { header: { 'Idempotency-Key': randomUUID() } },
  body: {
    items: [{ product_id: product.id, quantity: 2 }],
    customer: { email: 'jenny.rosen@example.com', name: 'Jenny Rosen' },
  },
};
const order = success(await api.POST('/v1/orders', placement));
assert.equal(order.status, 'pending');
assert.equal(order.amount_total, 2 * product.unit_amount);
const repeated = success(await api.POST('/v1/orders', placement));
assert.deepEqual([repeated.id, repeated.client_token], [order.id, order.client_token]);

const path = { id: order.id };
const headers = { Authorization: `Bearer ${order.client_token}` };
const intent = success(await api.POST('/v1/orders/{id}/payment_intent', { params: { path }, headers }));
assert.equal(intent.amount, order.amount_total);
assert.equal(intent.status, 'requires_payment_method');

// In a browser, Stripe.js confirms the payment.
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

const payment = success(
  await api.GET('/v1/orders/{id}/payment', {
    params: { path, query: { wait: 20, after: order.version } },
    headers,
  }),
);
assert.deepEqual([payment.status, payment.order_status], ['succeeded', 'paid']);

const paid = success(await api.GET('/v1/orders/{id}', { params: { path }, headers }));
assert.equal(paid.status, 'paid');
assert.equal(paid.amount_paid, order.amount_total);
assert.equal(paid.payment?.payment_intent_id, intent.payment_intent_id);
assert.equal(paid.payment?.last_error, null);

// An inaccessible order is not found. Errors are typed, too.
const other = { id: 'ord_00000000000000000000000000' };
const { data, error, response } = await api.GET('/v1/orders/{id}', { params: { path: other }, headers });
assert.equal(data, undefined);
assert.equal(response.status, 404);
const problem: Problem | undefined = error;
assert.equal(problem?.code, 'not_found');
assert.equal(problem.request_id, response.headers.get('X-Request-Id'));

console.log(`TypeScript: ${paid.id} is ${paid.status}`);
