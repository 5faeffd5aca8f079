// Where the customer comes back to, from the Payment Element or from a page of Stripe's. The address may have been
// opened in another browser than the one that paid (a bank's app does that), so it works with what Stripe puts into
// it. It proves nothing by itself: what is shown is what the API says, which knows it from Stripe.

import './style.css';
import { api, Problem, type CheckoutSessionLookup, type Credentials, type Order, type PaymentLookup } from './api';
import { el, messageOf, need, showMode, SPINNER } from './dom';
import { cart, checkout, tokenOf } from './memory';
import { learnCurrencies, money } from './money';

/** How long one question may wait for news, in seconds. */
const WAIT_S = 20;
/** How long to wait at most between two questions about a Checkout Session, in seconds. */
const SESSION_PAUSE_MAX_S = 30;
/** How often a failure that is older than this try may be all there is, before it is believed. */
const STALE_MAX = 2;

const main = need<HTMLElement>('#main');
const address = new URL(window.location.href);
const param = (name: string) => address.searchParams.get(name) ?? undefined;
const sessionId = param('session_id');
const orderId = param('order');
const paymentIntentId = param('payment_intent');
const token = orderId ? tokenOf(orderId) : undefined;
const credentials: Credentials = { token, clientSecret: param('payment_intent_client_secret') };

/** What is known of the payment. Who has but the id of a Checkout Session sees less. */
type Lookup = PaymentLookup | CheckoutSessionLookup;

const pause = (ms: number) => new Promise((resolve) => { setTimeout(resolve, ms); });

type Look = 'waiting' | 'good' | 'bad';

interface Outcome {
  look: Look;
  title: string;
  text: string;
  /** Whether the goods are bought: then the cart is emptied. */
  isBought?: boolean;
  /** Whether there is nothing more to wait for. */
  isOver?: boolean;
  /** What the customer can do about it, where they have what it takes. */
  retry?: 'Try again' | 'Place the order again';
}

/** A page of Stripe's that was closed before anybody paid on it: the customer went another way, or took too long. */
const isClosedPage = (lookup: Lookup) => lookup.object === 'checkout_session_lookup' && lookup.status === 'canceled'
  && ['pending', 'payment_failed'].includes(lookup.order_status);

/** What an order's status means to the customer. */
function outcomeOf(lookup: Lookup): Outcome {
  if (isClosedPage(lookup)) {
    return { look: 'bad', title: 'This payment page is closed', text: 'Nothing was charged on it.', isOver: true, retry: 'Try again' };
  }
  switch (lookup.order_status) {
    case 'paid':
      return { look: 'good', title: 'Thank you!', text: 'Your payment has arrived and your order is on its way.', isBought: true, isOver: true };
    case 'authorized':
      return { look: 'good', title: 'Thank you!', text: 'Your payment is reserved. It is taken when your order ships.', isBought: true, isOver: true };
    case 'processing':
      return {
        look: 'waiting', title: 'Your payment is on its way', isBought: true,
        text: 'Your bank is working on it. There is nothing more for you to do, and you may close this page.',
      };
    case 'payment_failed':
      return {
        look: 'bad', title: 'Your payment did not go through', isOver: true, retry: 'Try again',
        text: `${('last_error' in lookup && lookup.last_error?.message) || 'Your bank did not approve it.'} Nothing was charged.`,
      };
    case 'expired':
      return {
        look: 'bad', title: 'This order has expired', text: 'It was not paid in time, and nothing was charged.', isOver: true,
        retry: 'Place the order again',
      };
    case 'canceled':
      return { look: 'bad', title: 'This order is closed', text: 'It was not paid, and nothing was charged.', isOver: true };
    case 'refunded':
      return { look: 'good', title: 'Your money is on its way back', text: 'Your bank may take some days to show it.', isBought: true, isOver: true };
    case 'partially_refunded':
      return {
        look: 'good', title: 'Part of your money is on its way back', isBought: true, isOver: true,
        text: 'Your bank may take some days to show it. The rest of your order is paid.',
      };
    case 'review':
      return { look: 'waiting', title: 'We have your payment', text: 'A person looks at your order now and will write to you.', isBought: true, isOver: true };
    case 'pending':
      return { look: 'waiting', title: 'Confirming your payment', text: 'This takes a moment.' };
    default:
      return { look: 'waiting', title: 'Your order needs attention', text: 'Please write to us.', isOver: true };
  }
}

const MARKS: Record<Look, string> = { waiting: '', good: '✓', bad: '!' };

function show(outcome: Outcome, lookup: Lookup | null): void {
  document.title = `${outcome.title} · Slow Pour`;
  const amount = lookup && 'amount' in lookup && outcome.look !== 'bad'
    ? el('p', { class: 'outcome-amount' }, money(lookup.amount, lookup.currency)) : null;
  const isOurs = lookup !== null && tokenOf(lookup.order_id) !== undefined;
  const retry = outcome.retry && isOurs ? el('a', { class: 'button', href: './#/checkout' }, outcome.retry) : null;
  const elsewhere = outcome.retry && !isOurs ? el('p', { class: 'quiet' }, 'To try again, go back to where you began.') : null;
  main.setAttribute('aria-busy', String(!outcome.isOver));
  main.dataset.outcome = lookup?.order_status ?? 'none';
  main.replaceChildren(
    el('div', { class: `mark ${outcome.look}`, 'aria-hidden': 'true' }, MARKS[outcome.look] || SPINNER()),
    el('h1', {}, outcome.title),
    ...(amount ? [amount] : []),
    el('p', { class: 'outcome-text' }, outcome.text),
    ...(elsewhere ? [elsewhere] : []),
    el('div', { id: 'receipt' }),
    el('p', { class: 'actions' }, retry, el('a', { class: retry ? 'button plain' : 'button', href: './' }, 'Back to the shop')));
}

/** What was bought and where it goes: for the browser that bought it only. */
async function showReceipt(id: string): Promise<void> {
  const token = tokenOf(id);
  if (!token) return;
  const order: Order = await api.order(id, token);
  const address = order.shipping?.address;
  const to = address && [order.shipping?.name, address.line1, address.line2, [address.postal_code, address.city].filter(Boolean).join(' ')];
  const lines = order.items.map((item) => el('li', {}, el('span', {}, `${item.quantity} × ${item.name}`), el('span', {}, money(item.amount, order.currency))));
  document.querySelector('#receipt')?.replaceChildren(el('section', { class: 'receipt', 'aria-label': 'Your order' },
    el('ul', {}, ...lines, el('li', { class: 'receipt-total' }, el('span', {}, 'Total'), el('span', {}, money(order.amount_total, order.currency)))),
    to ? el('p', { class: 'quiet' }, `To ${to.filter(Boolean).join(', ')}`) : null,
    order.customer.email ? el('p', { class: 'quiet' }, `Receipt to ${order.customer.email}`) : null));
}

/** Empties the cart, unless something else has been put into it since. */
function forgetCart(id: string): void {
  const current = checkout.current();
  if (!current || current.orderId !== id) return;
  if (current.cart === cart.fingerprint()) cart.clear();
  checkout.end();
}

function ask(query: { wait: number; after: number }): Promise<Lookup> {
  if (sessionId) return api.paymentBySession(sessionId, { wait: query.wait });
  if (orderId) return api.payment(orderId, credentials, query);
  if (paymentIntentId) return api.paymentByIntent(paymentIntentId, credentials, query);
  return Promise.reject(new Problem(404, 'not_found', 'There is no payment in this address.'));
}

/**
 * A decline of an earlier try is no news after one that went well: then what was seen is older than this page,
 * and the next version is waited for.
 */
function isStale(lookup: Lookup, seen: number): boolean {
  const wentWell = ['succeeded', 'processing', 'pending'].includes(param('redirect_status') ?? '');
  return lookup.order_status === 'payment_failed' && wentWell && seen < STALE_MAX;
}

async function follow(): Promise<void> {
  let after = 0;
  let lastShown = '';
  let wait = WAIT_S;
  for (let seen = 0; ; seen += 1) {
    const lookup = await ask({ wait, after });
    const outcome = isStale(lookup, seen) ? outcomeOf({ ...lookup, order_status: 'pending' }) : outcomeOf(lookup);
    if (outcome.title !== lastShown) show(outcome, lookup);
    if (outcome.title !== lastShown && outcome.isBought) {
      forgetCart(lookup.order_id);
      await showReceipt(lookup.order_id);
    }
    lastShown = outcome.title;
    if (outcome.isOver) return;
    if ('version' in lookup) after = lookup.version;
    else {
      // A Session is not asked about by version. What is in flight at a bank is answered at once, and so is its end.
      if (lookup.order_status === 'processing') wait = 0;
      await pause(1000 * Math.min(2 ** seen, SESSION_PAUSE_MAX_S));
    }
  }
}

async function start(): Promise<void> {
  show({ look: 'waiting', title: 'Confirming your payment', text: 'This takes a moment.' }, null);
  if (token && credentials.clientSecret) {
    // This browser has a better credential: nothing of the secret stays in the history.
    address.searchParams.delete('payment_intent_client_secret');
    window.history.replaceState(null, '', address);
  }
  try {
    const config = await api.config();
    learnCurrencies(config.currencies);
    showMode(config.mode);
    await follow();
  } catch (error) {
    const isUnknown = error instanceof Problem && [401, 404].includes(error.status);
    show({
      look: 'bad', isOver: true,
      title: isUnknown ? 'We can not find this payment' : 'We can not tell how it went yet',
      text: isUnknown ? 'Please open the link you were sent back with, in full.' : `${messageOf(error)} Reload this page to ask again.`,
    }, null);
  }
}

void start();
