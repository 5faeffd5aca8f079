// A typed client of the API. The types come from openapi/quittance.json (`npm run generate`), so that a change
// there which this page does not know is an error when it is built.

import type { components, paths } from './schema';

export type Product = components['schemas']['Product'];
export type Order = components['schemas']['Order'];
export type PlacedOrder = components['schemas']['PlacedOrder'];
export type PaymentLookup = components['schemas']['PaymentLookup'];
export type CheckoutSessionLookup = components['schemas']['CheckoutSessionLookup'];
export type Shipping = components['schemas']['Shipping'];
export type FieldError = components['schemas']['FieldError'];
export type Seller = components['schemas']['Seller'];
export type SellerTerms = components['schemas']['SellerUpdate'];
export type NewSeller = components['schemas']['SellerCreate'];
export type NewProduct = components['schemas']['ProductCreate'];

type Method = 'get' | 'post' | 'patch' | 'delete';
type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M & keyof paths[P]]>;
type Json<T> = T extends { content: { 'application/json': infer Body } } ? Body : never;
type Body<O> = O extends { requestBody?: infer R } ? Json<NonNullable<R>> : never;
type Answer<O> = O extends { responses: infer R } ? Json<R[(200 | 201) & keyof R]> : never;

interface Options<O> {
  path?: Record<string, string>;
  query?: Record<string, string | number>;
  body?: Body<O>;
  /** The order's own token, or the platform's secret key: `Authorization: Bearer`. */
  token?: string | undefined;
  /** The PaymentIntent's client secret: enough to look a payment up. */
  clientSecret?: string | undefined;
  /** Makes a POST safe to send again. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** An error the API answered: RFC 9457. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly errors: FieldError[] = [],
  ) {
    super(message);
  }
}

/** Where the API is: beside this page, unless the page was built for another place. */
const BASE = new URL(import.meta.env.VITE_QUITTANCE_URL ?? '..', document.baseURI).href.replace(/\/$/, '');
const TRIES = 4;

const pause = (ms: number) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function problemOf(response: Response): Promise<Problem> {
  const body = await response.json().catch(() => ({}));
  const text = body.detail ?? body.title ?? 'Something went wrong. Please try again.';
  return new Problem(response.status, body.code ?? 'unknown', text, body.errors);
}

/** Sends a request, again if it is safe and may help: with an idempotency key, nothing happens twice. */
async function send<P extends keyof paths & string, M extends Method>(
  method: M,
  template: P,
  options: Options<Operation<P, M>> = {},
): Promise<Answer<Operation<P, M>>> {
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(options.path?.[name] ?? ''));
  const url = new URL(BASE + path);
  for (const [name, value] of Object.entries(options.query ?? {})) url.searchParams.set(name, String(value));
  const headers = new Headers({ Accept: 'application/json' });
  if (options.body !== undefined) headers.set('Content-Type', 'application/json');
  if (options.token) headers.set('Authorization', `Bearer ${options.token}`);
  else if (options.clientSecret) headers.set('Stripe-Client-Secret', options.clientSecret);
  if (options.idempotencyKey) headers.set('Idempotency-Key', options.idempotencyKey);
  const isSafe = method !== 'post' || options.idempotencyKey !== undefined;
  for (let attempt = 1; ; attempt += 1) {
    const isLast = !isSafe || attempt === TRIES;
    try {
      const response = await fetch(url, {
        method: method.toUpperCase(),
        headers,
        ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
        ...(options.signal ? { signal: options.signal } : {}),
        cache: 'no-store',
      });
      if (response.ok) return await response.json();
      const problem = await problemOf(response);
      const mayHelp = response.status >= 500 || response.status === 429 || problem.code === 'idempotency_key_in_use';
      if (isLast || !mayHelp) throw problem;
      await pause(1000 * Number(response.headers.get('Retry-After') ?? 0));
    } catch (error) {
      if (error instanceof Problem || options.signal?.aborted) throw error;
      if (isLast) throw new Problem(0, 'offline', 'The shop can not be reached. Please check your connection.');
    }
    await pause(250 * 2 ** attempt);
  }
}

/** What opens an order: its token, or, on a device that has none, the client secret of the return URL. */
export interface Credentials {
  token?: string | undefined;
  clientSecret?: string | undefined;
}

export const api = {
  config: () => send('get', '/v1/config'),
  products: () => send('get', '/v1/products', { query: { limit: 100 } }),
  placeOrder: (items: { product_id: string; quantity: number }[], idempotencyKey: string) =>
    send('post', '/v1/orders', { body: { items }, idempotencyKey }),
  order: (id: string, token: string) => send('get', '/v1/orders/{id}', { path: { id }, token }),
  updateOrder: (id: string, token: string, customer: { email: string; name: string }, shipping: Shipping) =>
    send('patch', '/v1/orders/{id}', { path: { id }, token, body: { customer, shipping } }),
  cancelOrder: (id: string, token: string) => send('post', '/v1/orders/{id}/cancel', { path: { id }, token }),
  /** Creates the order's PaymentIntent, or answers the one it has. */
  paymentIntent: (id: string, token: string) =>
    send('post', '/v1/orders/{id}/payment_intent', { path: { id }, token, body: {} }),
  /** Opens a page of Stripe's on which the order can be paid. The PaymentIntent it has is closed first. */
  checkoutSession: (id: string, token: string, urls: { success_url: string; cancel_url: string }) =>
    send('post', '/v1/orders/{id}/checkout_session', { path: { id }, token, body: urls }),
  /** How the payment of an order stands, as soon as there is something newer than `after`. */
  payment: (id: string, credentials: Credentials, query: { wait: number; after: number }) =>
    send('get', '/v1/orders/{id}/payment', { path: { id }, query, ...credentials }),
  /** The same by the id that Stripe puts into the return URL. */
  paymentByIntent: (id: string, credentials: Credentials, query: { wait: number; after: number }) =>
    send('get', '/v1/payment_intents/{id}', { path: { id }, query, ...credentials }),
  /** The same by the id that Stripe puts into the success page's address, and less of it. */
  paymentBySession: (id: string, query: { wait: number }) => send('get', '/v1/checkout_sessions/{id}', { path: { id }, query }),
};

/** What only the platform may do, by its secret key. A platform of your own does this on its server. */
export const platform = (token: string) => ({
  sellers: () => send('get', '/v1/sellers', { token, query: { limit: 100 } }),
  seller: (id: string) => send('get', '/v1/sellers/{id}', { token, path: { id } }),
  /** Where the owner of an account lets the platform in. `binding` says who begins. */
  beginOAuth: (binding: string, redirectUri: string) =>
    send('post', '/v1/sellers/oauth/authorize', { token, body: { binding, redirect_uri: redirectUri } }),
  /** Connects the account of who came back. Not sent twice: the state counts once, and whoever fails begins anew. */
  finishOAuth: (answer: { code: string; state: string; binding: string }) =>
    send('post', '/v1/sellers/oauth/callback', { token, body: answer }),
  createSeller: (seller: NewSeller, idempotencyKey: string) => send('post', '/v1/sellers', { token, body: seller, idempotencyKey }),
  /** A page of Stripe's on which a seller tells what Stripe wants to know. */
  accountLink: (id: string, urls: { return_url: string; refresh_url: string }) =>
    send('post', '/v1/sellers/{id}/account_link', { token, path: { id }, body: urls }),
  updateSeller: (id: string, terms: SellerTerms) => send('patch', '/v1/sellers/{id}', { token, path: { id }, body: terms }),
  /** Asks Stripe now how the account stands. */
  refreshSeller: (id: string) => send('post', '/v1/sellers/{id}/refresh', { token, path: { id } }),
  unlinkSeller: (id: string, force: boolean) =>
    send('delete', '/v1/sellers/{id}', { token, path: { id }, query: { force: String(force) } }),
  createProduct: (product: NewProduct, idempotencyKey: string) => send('post', '/v1/products', { token, body: product, idempotencyKey }),
});

export type Platform = ReturnType<typeof platform>;
