// The return page, after the Payment Element or Stripe's hosted page. A bank's app can open it in another browser than
// the one that paid, so it works with the parameters that Stripe adds to the URL. The URL itself proves nothing. The page
// shows the API's payment status, which comes from Stripe.

import './style.css';
import { api, Problem, type CheckoutSessionLookup, type Credentials, type Order, type PaymentLookup } from './api';
import { el, errorMessage, requireElement, showMode, SPINNER } from './dom';
import { formatAmount, setCurrencyRules } from './money';
import { cart, checkout, orderToken } from './storage';

/** The time that one request waits for a new status, in seconds. */
const WAIT_S = 20;
/** The maximum delay between two requests about a Checkout Session, in seconds. */
const SESSION_DELAY_MAX_S = 30;
/** The number of responses with an older failure to ignore before showing it. */
const STALE_RESPONSES_MAX = 2;

const main = requireElement<HTMLElement>('#main');
const url = new URL(window.location.href);
const param = (name: string) => url.searchParams.get(name) ?? undefined;
const sessionId = param('session_id');
const orderId = param('order');
const paymentIntentId = param('payment_intent');
const token = orderId ? orderToken(orderId) : undefined;
const credentials: Credentials = { token, clientSecret: param('payment_intent_client_secret') };

/** A payment status. With only the Checkout Session ID, the API returns fewer fields. */
type Lookup = PaymentLookup | CheckoutSessionLookup;

const sleep = (ms: number) => new Promise((resolve) => { setTimeout(resolve, ms); });

type Tone = 'waiting' | 'good' | 'bad';

interface Outcome {
  tone: Tone;
  title: string;
  text: string;
  /** Whether the order is bought. The page then empties the cart. */
  isBought?: boolean;
  /** Whether the status is final. */
  isFinal?: boolean;
  /** The label of the retry link, shown only in the browser that placed the order. */
  retry?: 'Try again' | 'Order again';
}

/** Whether the hosted page was closed before a payment: the customer switched the way to pay, or took too long. */
const isClosedPage = (lookup: Lookup) => lookup.object === 'checkout_session_lookup' && lookup.status === 'canceled'
  && ['pending', 'payment_failed'].includes(lookup.order_status);

/** Describes an order's status to the customer. */
function describeOutcome(lookup: Lookup): Outcome {
  if (isClosedPage(lookup)) {
    return { tone: 'bad', title: 'This payment page was closed', text: 'You weren’t charged.', isFinal: true, retry: 'Try again' };
  }
  switch (lookup.order_status) {
    case 'paid':
      return { tone: 'good', title: 'Thank you!', text: 'We received your payment. We’ll ship your order soon.', isBought: true, isFinal: true };
    case 'authorized':
      return { tone: 'good', title: 'Thank you!', text: 'Your payment is authorized. We’ll charge it when your order ships.', isBought: true, isFinal: true };
    case 'processing':
      return {
        tone: 'waiting', title: 'Your payment is processing', isBought: true,
        text: 'Your bank is processing your payment. You don’t need to do anything else, and you can close this page.',
      };
    case 'payment_failed':
      return {
        tone: 'bad', title: 'Your payment failed', isFinal: true, retry: 'Try again',
        text: `${('last_error' in lookup && lookup.last_error?.message) || 'Your bank declined the payment.'} You weren’t charged.`,
      };
    case 'expired':
      return {
        tone: 'bad', title: 'This order has expired', text: 'It wasn’t paid in time. You weren’t charged.', isFinal: true,
        retry: 'Order again',
      };
    case 'canceled':
      return { tone: 'bad', title: 'This order was canceled', text: 'You weren’t charged.', isFinal: true };
    case 'refunded':
      return { tone: 'good', title: 'Your payment was refunded', text: 'It can take a few days until the refund appears on your statement.', isBought: true, isFinal: true };
    case 'partially_refunded':
      return {
        tone: 'good', title: 'Your payment was partially refunded', isBought: true, isFinal: true,
        text: 'It can take a few days until the refund appears on your statement. The rest of your order is paid.',
      };
    case 'review':
      return { tone: 'waiting', title: 'We received your payment', text: 'We’re reviewing your order and will contact you.', isBought: true, isFinal: true };
    case 'pending':
      return { tone: 'waiting', title: 'Confirming your payment', text: 'This takes a moment.' };
    default:
      return { tone: 'waiting', title: 'Your order needs attention', text: 'Please contact us.', isFinal: true };
  }
}

const MARKS: Record<Tone, string> = { waiting: '', good: '✓', bad: '!' };

function show(outcome: Outcome, lookup: Lookup | null): void {
  document.title = `${outcome.title} · Slow Pour`;
  const amount = lookup && 'amount' in lookup && outcome.tone !== 'bad'
    ? el('p', { class: 'outcome-amount' }, formatAmount(lookup.amount, lookup.currency)) : null;
  const hasToken = lookup !== null && orderToken(lookup.order_id) !== undefined;
  const retry = outcome.retry && hasToken ? el('a', { class: 'button', href: './#/checkout' }, outcome.retry) : null;
  const elsewhere = outcome.retry && !hasToken ? el('p', { class: 'quiet' }, 'To try again, use the browser you ordered in.') : null;
  main.setAttribute('aria-busy', String(!outcome.isFinal));
  main.dataset.outcome = lookup?.order_status ?? 'none';
  main.replaceChildren(
    el('div', { class: `mark ${outcome.tone}`, 'aria-hidden': 'true' }, MARKS[outcome.tone] || SPINNER()),
    el('h1', {}, outcome.title),
    ...(amount ? [amount] : []),
    el('p', { class: 'outcome-text' }, outcome.text),
    ...(elsewhere ? [elsewhere] : []),
    el('div', { id: 'receipt' }),
    el('p', { class: 'actions' }, retry, el('a', { class: retry ? 'button plain' : 'button', href: './' }, 'Back to the shop')));
}

/** Shows the items and the delivery address, only in the browser that placed the order. */
async function showReceipt(id: string): Promise<void> {
  const token = orderToken(id);
  if (!token) return;
  const order: Order = await api.order(id, token);
  const address = order.shipping?.address;
  const recipient = address && [order.shipping?.name, address.line1, address.line2, [address.postal_code, address.city].filter(Boolean).join(' ')];
  const lines = order.items.map((item) => el('li', {}, el('span', {}, `${item.quantity} × ${item.name}`), el('span', {}, formatAmount(item.amount, order.currency))));
  document.querySelector('#receipt')?.replaceChildren(el('section', { class: 'receipt', 'aria-label': 'Your order' },
    el('ul', {}, ...lines, el('li', { class: 'receipt-total' }, el('span', {}, 'Total'), el('span', {}, formatAmount(order.amount_total, order.currency)))),
    recipient ? el('p', { class: 'quiet' }, `Ships to ${recipient.filter(Boolean).join(', ')}`) : null,
    order.customer.email ? el('p', { class: 'quiet' }, `Receipt to ${order.customer.email}`) : null));
}

/** Empties the cart, unless it changed since the order was placed. */
function clearCart(id: string): void {
  const current = checkout.current();
  if (!current || current.orderId !== id) return;
  if (current.cart === cart.fingerprint()) cart.clear();
  checkout.clear();
}

function fetchLookup(query: { wait: number; after: number }): Promise<Lookup> {
  if (sessionId) return api.paymentBySession(sessionId, { wait: query.wait });
  if (orderId) return api.payment(orderId, credentials, query);
  if (paymentIntentId) return api.paymentByIntent(paymentIntentId, credentials, query);
  return Promise.reject(new Problem(404, 'not_found', 'This link doesn’t contain a payment.'));
}

/**
 * Whether the response is older than this payment attempt. If Stripe reports success in the URL, a failure in the
 * response belongs to an earlier attempt, and the page waits for the next version.
 */
function isStale(lookup: Lookup, responses: number): boolean {
  const isSuccess = ['succeeded', 'processing', 'pending'].includes(param('redirect_status') ?? '');
  return lookup.order_status === 'payment_failed' && isSuccess && responses < STALE_RESPONSES_MAX;
}

async function pollUntilFinal(): Promise<void> {
  let after = 0;
  let lastShown = '';
  let wait = WAIT_S;
  for (let responses = 0; ; responses += 1) {
    const lookup = await fetchLookup({ wait, after });
    const outcome = isStale(lookup, responses) ? describeOutcome({ ...lookup, order_status: 'pending' }) : describeOutcome(lookup);
    if (outcome.title !== lastShown) show(outcome, lookup);
    if (outcome.title !== lastShown && outcome.isBought) {
      clearCart(lookup.order_id);
      await showReceipt(lookup.order_id);
    }
    lastShown = outcome.title;
    if (outcome.isFinal) return;
    if ('version' in lookup) after = lookup.version;
    else {
      // Lookups by Session have no version to wait for. While the bank processes the payment, the API responds immediately.
      if (lookup.order_status === 'processing') wait = 0;
      await sleep(1000 * Math.min(2 ** responses, SESSION_DELAY_MAX_S));
    }
  }
}

async function start(): Promise<void> {
  show({ tone: 'waiting', title: 'Confirming your payment', text: 'This takes a moment.' }, null);
  if (token && credentials.clientSecret) {
    // This browser has the order's token, so remove the client secret from the history.
    url.searchParams.delete('payment_intent_client_secret');
    window.history.replaceState(null, '', url);
  }
  try {
    const config = await api.config();
    setCurrencyRules(config.currencies);
    showMode(config.mode);
    await pollUntilFinal();
  } catch (error) {
    const isUnknown = error instanceof Problem && [401, 404].includes(error.status);
    show({
      tone: 'bad', isFinal: true,
      title: isUnknown ? 'We can’t find this payment' : 'We can’t check your payment right now',
      text: isUnknown ? 'Please open the complete link that you were redirected to.' : `${errorMessage(error)} Reload this page to try again.`,
    }, null);
  }
}

void start();
