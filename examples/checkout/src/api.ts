// A typed API client. The types are generated from openapi/quittance.json (`npm run generate`), so an incompatible API
// change fails the build.

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
type Success<O> = O extends { responses: infer R } ? Json<R[(200 | 201) & keyof R]> : never;

interface Options<O> {
  path?: Record<string, string>;
  query?: Record<string, string | number>;
  body?: Body<O>;
  /** The order's token or the platform's secret key. Sent as `Authorization: Bearer`. */
  token?: string | undefined;
  /** The PaymentIntent's client secret. It only allows looking up the payment. */
  clientSecret?: string | undefined;
  /** Makes it safe to retry a POST request. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** An error response of the API (RFC 9457). */
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

/** The API's URL: one level above this page, unless the page was built with another URL. */
const BASE = new URL(import.meta.env.VITE_QUITTANCE_URL ?? '..', document.baseURI).href.replace(/\/$/, '');
const MAX_ATTEMPTS = 4;

const sleep = (ms: number) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function toProblem(response: Response): Promise<Problem> {
  const body = await response.json().catch(() => ({}));
  const text = body.detail ?? body.title ?? 'Something went wrong. Please try again.';
  return new Problem(response.status, body.code ?? 'unknown', text, body.errors);
}

/** Sends a request. Retries temporary errors if that is safe: a POST is only retried with an idempotency key. */
async function send<P extends keyof paths & string, M extends Method>(
  method: M,
  template: P,
  options: Options<Operation<P, M>> = {},
): Promise<Success<Operation<P, M>>> {
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
    const isLast = !isSafe || attempt === MAX_ATTEMPTS;
    try {
      const response = await fetch(url, {
        method: method.toUpperCase(),
        headers,
        ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
        ...(options.signal ? { signal: options.signal } : {}),
        cache: 'no-store',
      });
      if (response.ok) return await response.json();
      const problem = await toProblem(response);
      const isTemporary = response.status >= 500 || response.status === 429 || problem.code === 'idempotency_key_in_use';
      if (isLast || !isTemporary) throw problem;
      await sleep(1000 * Number(response.headers.get('Retry-After') ?? 0));
    } catch (error) {
      if (error instanceof Problem || options.signal?.aborted) throw error;
      if (isLast) throw new Problem(0, 'offline', 'The shop is unreachable. Please check your connection.');
    }
    await sleep(250 * 2 ** attempt);
  }
}

/** The credential for an order: its token, or the client secret from the return URL on a device without the token. */
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
  /** Creates the order's PaymentIntent, or returns the existing one. */
  paymentIntent: (id: string, token: string) =>
    send('post', '/v1/orders/{id}/payment_intent', { path: { id }, token, body: {} }),
  /** Creates a Checkout Session for the order. The API first cancels the order's PaymentIntent. */
  checkoutSession: (id: string, token: string, urls: { success_url: string; cancel_url: string }) =>
    send('post', '/v1/orders/{id}/checkout_session', { path: { id }, token, body: urls }),
  /** Returns an order's payment status. Waits for a version newer than `after`. */
  payment: (id: string, credentials: Credentials, query: { wait: number; after: number }) =>
    send('get', '/v1/orders/{id}/payment', { path: { id }, query, ...credentials }),
  /** Returns the payment status by the PaymentIntent ID in the return URL. */
  paymentByIntent: (id: string, credentials: Credentials, query: { wait: number; after: number }) =>
    send('get', '/v1/payment_intents/{id}', { path: { id }, query, ...credentials }),
  /** Returns the payment status, without amounts, by the Checkout Session ID in the success URL. */
  paymentBySession: (id: string, query: { wait: number }) => send('get', '/v1/checkout_sessions/{id}', { path: { id }, query }),
};

/** The routes that need the platform's secret key. Call them from your server in production. */
export const platform = (token: string) => ({
  sellers: () => send('get', '/v1/sellers', { token, query: { limit: 100 } }),
  seller: (id: string) => send('get', '/v1/sellers/{id}', { token, path: { id } }),
  /** Starts OAuth and returns the URL of Stripe's page. `binding` identifies the user who starts it. */
  startOAuth: (binding: string, redirectUri: string) =>
    send('post', '/v1/sellers/oauth/authorize', { token, body: { binding, redirect_uri: redirectUri } }),
  /** Completes OAuth and connects the account. Not retried, because the state is valid only once. */
  completeOAuth: (params: { code: string; state: string; binding: string }) =>
    send('post', '/v1/sellers/oauth/callback', { token, body: params }),
  createSeller: (seller: NewSeller, idempotencyKey: string) => send('post', '/v1/sellers', { token, body: seller, idempotencyKey }),
  /** Creates a link to Stripe's onboarding page. */
  accountLink: (id: string, urls: { return_url: string; refresh_url: string }) =>
    send('post', '/v1/sellers/{id}/account_link', { token, path: { id }, body: urls }),
  updateSeller: (id: string, terms: SellerTerms) => send('patch', '/v1/sellers/{id}', { token, path: { id }, body: terms }),
  /** Reads the account from Stripe now. */
  refreshSeller: (id: string) => send('post', '/v1/sellers/{id}/refresh', { token, path: { id } }),
  unlinkSeller: (id: string, force: boolean) =>
    send('delete', '/v1/sellers/{id}', { token, path: { id }, query: { force: String(force) } }),
  createProduct: (product: NewProduct, idempotencyKey: string) => send('post', '/v1/products', { token, body: product, idempotencyKey }),
});

export type Platform = ReturnType<typeof platform>;
