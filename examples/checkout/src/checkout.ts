// The checkout: one page with contact, delivery, payment and the order's summary. The order is paid in the Payment
// Element, or on a page of Stripe's: one of both at a time, the API closes the other.
//
// The order is placed when the page opens, because its PaymentIntent is what the payment form is made of. Prices
// are the API's. The same cart keeps its order, whatever the customer does: reload, back, another try after a
// decline.

import { api, Problem, type Order, type PlacedOrder, type Product } from './api';
import { COUNTRIES, countryNames } from './countries';
import { announce, el, messageOf, showMessage, SPINNER } from './dom';
import { cart, checkout, tokenOf, type Checkout, type Line } from './memory';
import { money } from './money';
import { picture } from './pictures';
import { leftText } from './stock';
import { appearance, loadStripe, type BillingDetails, type Elements, type Stripe, type StripeError } from './stripe';

type Config = Awaited<ReturnType<typeof api.config>>;

interface OpenOrder {
  order: Order;
  token: string;
}

/** What Stripe says of a PaymentIntent that needs nothing more of the customer. */
const DONE = ['succeeded', 'processing', 'requires_capture'];

/** What the API says of an order that has been paid, or is being. */
const PAID = ['already_paid', 'payment_processing', 'payment_in_flight', 'order_in_review'];

/** What the API says where nothing can be paid to the seller of the order now. */
const SELLER_CLOSED = ['seller_not_ready', 'seller_not_connected', 'seller_disconnected'];

/** Shows the checkout once more, and says why. */
type Reopen = (notice?: string) => void;

/** Lines of the cart that there is too little of. */
class Shortage extends Error {
  constructor(readonly lines: (Line & { left: number })[]) {
    super('Too few are left of some of the items.');
  }
}

/** Lines of the cart that the seller of the first one does not sell. */
class MixedSellers extends Error {
  constructor(readonly lines: Line[]) {
    super('The items are of different sellers.');
  }
}

/** Where the hosted page leads, paid and unpaid. Stripe puts the id in the place of the braces, so they stay as they are. */
const hostedUrls = () => ({
  success_url: `${new URL('return.html', document.baseURI).href}?session_id={CHECKOUT_SESSION_ID}`,
  cancel_url: new URL('#/checkout', document.baseURI).href,
});

/** Where the customer is taken when everything is over. */
const returnUrl = (orderId: string) => new URL(`return.html?order=${encodeURIComponent(orderId)}`, document.baseURI).href;

/** Places an order for the cart, once for the same key. */
async function place(next: Checkout): Promise<PlacedOrder> {
  const lines = cart.lines();
  const items = lines.map(({ productId, quantity }) => ({ product_id: productId, quantity }));
  return api.placeOrder(items, next.idempotencyKey).catch((error: unknown) => {
    if (!(error instanceof Problem) || error.status < 400 || error.status >= 500) throw error;
    // It was refused, and would be for ever with this key. The next try asks anew.
    checkout.end();
    const named = (codes: string[]) => error.errors.flatMap(({ pointer, code, available }) => {
      const line = lines[Number(/^\/items\/(\d+)/.exec(pointer)?.[1])];
      return line && codes.includes(code) ? [{ ...line, left: available ?? 0 }] : [];
    });
    const short = named(['insufficient_stock', 'not_for_sale']);
    if (short.length) throw new Shortage(short);
    const foreign = named(['mixed_sellers']);
    throw foreign.length ? new MixedSellers(foreign) : error;
  });
}

/** The order of this cart: the one that was begun, if it can still be paid, or a new one. */
async function orderOfCart(): Promise<OpenOrder | 'over'> {
  const begun = checkout.current();
  const token = begun?.orderId ? tokenOf(begun.orderId) : undefined;
  if (begun?.orderId && token) {
    const isSame = begun.cart === cart.fingerprint();
    const order = await api.order(begun.orderId, token).catch((error: unknown) => {
      // An order of another database, or a token of another key: as if it had never been.
      if (error instanceof Problem && [401, 404].includes(error.status)) return null;
      throw error;
    });
    const isOpen = order && ['pending', 'payment_failed'].includes(order.status);
    const isOver = order && !isOpen && !['canceled', 'expired'].includes(order.status);
    if (isOver && (isSame || cart.count() === 0)) {
      window.location.replace(returnUrl(order.id));
      return 'over';
    }
    if (order && isOpen && isSame) return { order, token };
    // What was in the cart before is not wanted any more.
    if (isOpen) await api.cancelOrder(begun.orderId, token).catch(() => null);
  }
  if (cart.count() === 0) throw new Problem(0, 'cart_empty', 'Your cart is empty.');
  const next = begun && !begun.orderId && begun.cart === cart.fingerprint() ? begun : checkout.begin();
  const placed = await place(next);
  checkout.placed(next, placed);
  return { order: placed, token: placed.client_token };
}

/** A labelled field with room for what is wrong with it. */
class Field {
  readonly node: HTMLElement;
  readonly #error: HTMLElement;

  constructor(readonly input: HTMLInputElement | HTMLSelectElement, label: string, readonly missing: string | null) {
    const errorId = `${input.id}-error`;
    this.#error = el('p', { id: errorId, class: 'field-error' });
    input.setAttribute('aria-describedby', errorId);
    if (missing) input.required = true;
    const hint = missing ? null : el('span', { class: 'optional' }, ' optional');
    this.node = el('div', { class: `field field-${input.id}` }, el('label', { for: input.id }, label, hint), input, this.#error);
    input.addEventListener('blur', () => { if (this.value) this.check(); });
    input.addEventListener('input', () => this.show(''));
  }

  get value(): string {
    return this.input.value.trim();
  }

  show(message: string): void {
    this.#error.textContent = message;
    this.input.setAttribute('aria-invalid', String(message !== ''));
  }

  check(): boolean {
    const isMissing = this.missing !== null && !this.value;
    const isWrong = this.input instanceof HTMLInputElement && this.input.type === 'email' && !/^\S+@\S+\.\S+$/.test(this.value);
    this.show(isMissing || isWrong ? this.missing ?? '' : '');
    return !isMissing && !isWrong;
  }
}

function text(id: string, label: string, autocomplete: string, missing: string | null, value?: string | null, type = 'text') {
  const input = el('input', { id, name: id, type, autocomplete, value: value ?? '', inputmode: type === 'email' && 'email' });
  return new Field(input, label, missing);
}

function countryField(chosen: string | undefined): Field {
  const own = new Intl.Locale(navigator.language).maximize().region ?? '';
  const first = chosen ?? (COUNTRIES.includes(own) ? own : 'DE');
  const select = el('select', { id: 'country', name: 'country', autocomplete: 'country' },
    ...countryNames().map(([code, name]) => el('option', { value: code, selected: code === first }, name)));
  return new Field(select, 'Country', 'Please choose a country.');
}

function makeFields({ customer, shipping }: Order) {
  const address = shipping?.address;
  return {
    email: text('email', 'Email', 'email', 'Please enter your email address.', customer.email, 'email'),
    name: text('name', 'Full name', 'name', 'Please enter your name.', shipping?.name ?? customer.name),
    line1: text('line1', 'Address', 'address-line1', 'Please enter street and number.', address?.line1),
    line2: text('line2', 'Apartment, floor', 'address-line2', null, address?.line2),
    postalCode: text('postal_code', 'Postal code', 'postal-code', 'Please enter your postal code.', address?.postal_code),
    city: text('city', 'City', 'address-level2', 'Please enter your city.', address?.city),
    country: countryField(address?.country),
  };
}

type Fields = ReturnType<typeof makeFields>;

/** Shows what the API finds wrong where it is wrong. Answers whether it found a place for it. */
function showProblem(fields: Fields, problem: Problem): boolean {
  let first: Field | undefined;
  for (const { pointer, detail } of problem.errors) {
    const name = pointer.split('/').at(-1) ?? '';
    const field = Object.values(fields).find(({ input }) => input.id === name);
    field?.show(`This ${detail}.`);
    first ??= field;
  }
  first?.input.focus();
  return first !== undefined;
}

function summary(order: Order, products: Product[]): HTMLElement {
  const lines = order.items.map((item) => el('li', { class: 'line' },
    el('div', { class: 'thumb' }, picture(products.find(({ id }) => id === item.product_id)?.name ?? item.name)),
    el('div', { class: 'line-text' },
      el('span', { class: 'line-name' }, item.name), el('span', { class: 'quiet' }, `${item.quantity} × ${money(item.unit_amount, order.currency)}`)),
    el('span', { class: 'line-price' }, money(item.amount, order.currency))));
  return el('aside', { class: 'summary', 'aria-labelledby': 'summary-title' },
    el('h2', { id: 'summary-title' }, 'Your order'),
    el('ul', { class: 'lines' }, ...lines),
    el('p', { class: 'total small' }, el('span', {}, 'Delivery'), el('span', {}, 'Free')),
    el('p', { class: 'total' }, el('span', {}, 'Total'), el('strong', {}, money(order.amount_total, order.currency))));
}

/** The checkout as it is shown, and the one payment that can be under way. */
class CheckoutPage {
  #isPaying = false;
  readonly #button = el('button', { type: 'submit', class: 'button wide pay', disabled: true });
  readonly #hosted = el('button', { type: 'button', class: 'button plain wide', onclick: () => void this.#payHosted() });
  readonly #alert = el('div', { class: 'alert', role: 'alert', hidden: true });
  readonly #payment = el('div', { id: 'payment', class: 'payment-form' }, el('div', { class: 'skeleton', 'aria-hidden': 'true' }));
  readonly #fields: Fields;
  #elements: Elements | null = null;
  #stripe: Stripe | null = null;

  constructor(
    readonly main: HTMLElement, readonly open: OpenOrder, readonly config: Config, readonly products: Product[], readonly reopen: Reopen,
  ) {
    this.#fields = makeFields(open.order);
    this.#showButtons('none');
  }

  get #price(): string {
    return money(this.open.order.amount_total, this.open.order.currency);
  }

  /** Shows the two ways to pay, and which of them is under way. */
  #showButtons(busy: 'none' | 'paying' | 'leaving'): void {
    const isPaying = busy === 'paying';
    this.#button.replaceChildren(...(isPaying ? [SPINNER(), 'Paying…'] : ['Pay', el('span', { class: 'pay-price' }, this.#price)]));
    this.#button.setAttribute('aria-label', isPaying ? 'Paying…' : `Pay ${this.#price}`);
    this.#button.disabled = busy !== 'none' || !this.#elements;
    this.#button.setAttribute('aria-busy', String(isPaying));
    const isLeaving = busy === 'leaving';
    this.#hosted.replaceChildren(...(isLeaving ? [SPINNER(), 'Opening the payment page…'] : ['Pay on a hosted page']));
    // Not before the Payment Element has what it needs: of two rails, the one that is asked for last is the live one.
    this.#hosted.disabled = busy !== 'none' || !this.#stripe;
    this.#hosted.setAttribute('aria-busy', String(isLeaving));
  }

  render(): void {
    const { main } = this;
    const { email, name, line1, line2, postalCode, city, country } = this.#fields;
    const section = (title: string, ...nodes: Node[]) => el('section', { class: 'step-box' }, el('h2', {}, title), ...nodes);
    const form = el('form', { novalidate: true, class: 'checkout-form' },
      section('Contact', el('div', { class: 'fields' }, email.node)),
      section('Delivery', el('div', { class: 'fields' }, ...[name, line1, line2, postalCode, city, country].map(({ node }) => node))),
      section('Payment', this.#payment),
      this.#alert,
      this.#button,
      el('p', { class: 'quiet secure' }, 'Your card goes straight to the payment provider: this shop never sees it.'),
      el('p', { class: 'or' }, 'or'),
      this.#hosted,
      el('p', { class: 'quiet secure' }, 'Takes you to the payment provider’s own page, and back here.'));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#pay();
    });
    main.className = 'checkout';
    main.replaceChildren(
      el('div', { class: 'checkout-head' }, el('a', { href: '#/', class: 'back' }, '← Back to the shop'), el('h1', {}, 'Checkout')),
      form, summary(this.open.order, this.products));
  }

  /** Shows the payment form. The order's last decline is told, so that it is known why there is to be another try. */
  async showPayment(signal: AbortSignal, notice: string): Promise<void> {
    const { id } = this.open.order;
    const [makeStripe, intent] = await Promise.all([
      loadStripe(this.config.stripe_js_url, this.config.publishable_key),
      api.paymentIntent(id, this.open.token),
    ]);
    if (signal.aborted) return;
    if (DONE.includes(intent.status)) {
      window.location.replace(returnUrl(id));
      return;
    }
    const stripe = makeStripe(intent.stripe_account);
    const elements = stripe.elements({ clientSecret: intent.client_secret, appearance: appearance() });
    const element = elements.create('payment', {
      layout: 'tabs',
      // The page asks for these itself, once.
      fields: { billingDetails: { name: 'never', email: 'never', phone: 'never', address: 'never' } },
    });
    signal.addEventListener('abort', () => element.destroy());
    const colours = matchMedia('(prefers-color-scheme: dark)');
    colours.addEventListener('change', () => elements.update({ appearance: appearance() }), { signal });
    this.#stripe = stripe;
    element.on('ready', () => {
      this.#elements = elements;
      this.#showButtons('none');
    });
    element.on('loaderror', ({ error }) => { void this.#failed(error); });
    element.mount(this.#payment);
    this.#showButtons('none');
    if (notice) this.#answer(notice);
    else this.#tell(this.open.order.payment?.last_error?.message ?? '');
  }

  #tell(message: string): void {
    this.#alert.hidden = message === '';
    this.#alert.textContent = message;
  }

  /** Says why the press of a button led to nothing, where it is seen. */
  #answer(message: string): void {
    this.#tell(message);
    this.#alert.scrollIntoView({ block: 'nearest' });
  }

  #isFilled(): boolean {
    const wrong = Object.values(this.#fields).filter((field) => !field.check());
    wrong[0]?.input.focus();
    return wrong.length === 0;
  }

  #billingDetails(): BillingDetails {
    const { email, name, line1, line2, postalCode, city, country } = this.#fields;
    return {
      name: name.value,
      email: email.value,
      phone: '',
      address: {
        line1: line1.value, line2: line2.value, city: city.value, state: '', postal_code: postalCode.value, country: country.value,
      },
    };
  }

  /** Pays, one way and once at a time: a second press while the first is under way does nothing. */
  async #attempt(busy: 'paying' | 'leaving', pay: (stripe: Stripe) => Promise<void>): Promise<void> {
    const stripe = this.#stripe;
    if (this.#isPaying || !stripe) return;
    this.#isPaying = true;
    this.#tell('');
    try {
      if (!this.#isFilled()) return this.#tell('Please fill in what is marked above.');
      this.#showButtons(busy);
      await pay(stripe);
    } catch (error) {
      this.#refused(error);
    } finally {
      this.#isPaying = false;
      this.#showButtons('none');
    }
  }

  #pay(): Promise<void> {
    return this.#attempt('paying', async (stripe) => {
      const elements = this.#elements;
      if (!elements) return;
      announce('Your payment is being made.');
      const submitted = await elements.submit();
      // What is wrong is said inside the payment form, where it is.
      if (submitted.error) return;
      await this.#saveDetails();
      const { error } = await stripe.confirmPayment({
        elements,
        confirmParams: {
          return_url: returnUrl(this.open.order.id),
          payment_method_data: { billing_details: this.#billingDetails() },
        },
      });
      // Who has paid is on the way to the return page by now.
      if (error) await this.#failed(error);
    });
  }

  #payHosted(): Promise<void> {
    return this.#attempt('leaving', async () => {
      announce('The payment page is being opened.');
      await this.#saveDetails();
      const { url } = await api.checkoutSession(this.open.order.id, this.open.token, hostedUrls());
      window.location.assign(url);
      // The buttons stay as they are until this page is gone. The way back shows the checkout anew.
      await new Promise<never>(() => {});
    });
  }

  /** Says why the API does not take the payment. */
  #refused(error: unknown): void {
    if (showEnd(this.main, error, this.products, this.reopen)) return;
    if (!(error instanceof Problem)) this.#answer(messageOf(error));
    // It was paid in another tab.
    else if (PAID.includes(error.code)) window.location.replace(returnUrl(this.open.order.id));
    else if (!showProblem(this.#fields, error)) this.#answer(error.message);
  }

  async #saveDetails(): Promise<void> {
    const { name, email, address } = this.#billingDetails();
    const { line1, city, postal_code, country } = address;
    const line2 = address.line2 || null;
    await api.updateOrder(this.open.order.id, this.open.token, { name, email }, {
      name, address: { line1, line2, city, postal_code, country },
    });
  }

  /** Says what went wrong, or goes on if this PaymentIntent was paid in another tab or by a page that was closed. */
  async #failed(error: StripeError): Promise<void> {
    if (DONE.includes(error.payment_intent?.status ?? '')) {
      window.location.replace(returnUrl(this.open.order.id));
      return;
    }
    // Another tab has taken the other way to pay, which closed this one: opened anew, this is the one that counts.
    if (error.code === 'payment_intent_unexpected_state') {
      return this.reopen('You began to pay in another window. That is closed now and nothing was charged: please enter your card again.');
    }
    // The seller has disconnected their account since this page was opened. What the API says of it is shown then.
    if (error.code === 'account_invalid') return this.reopen('This seller can not take payments now. Nothing was charged.');
    if (error.type === 'validation_error') return;
    this.#answer(`${error.message ?? 'The payment did not go through.'} Nothing was charged. You can try again.`);
  }
}

function showEmpty(main: HTMLElement): void {
  showMessage(main, 'Your cart is empty',
    el('p', { class: 'quiet' }, 'What you have paid for is on its way. There is nothing more to pay.'),
    el('a', { class: 'button', href: '#/' }, 'Back to the shop'));
}

/** After so many declines this order takes no more; a new one may. */
function showTooMany(main: HTMLElement): void {
  checkout.end();
  showMessage(main, 'Too many tries',
    el('p', {}, 'This order takes no further payment, and nothing was charged. Your cart is still here.'),
    el('a', { class: 'button', href: '#/' }, 'Back to the shop'));
}

/** An order that was not paid in time, or was given up in another tab: the cart can be ordered once more. */
function showClosed(main: HTMLElement, title: string, reopen: Reopen): void {
  showMessage(main, title,
    el('p', {}, 'It was not paid, and nothing was charged. Your cart is still here.'),
    el('p', { class: 'actions' },
      el('button', { type: 'button', class: 'button', onclick: () => reopen() }, 'Place the order again'),
      el('a', { class: 'button plain', href: '#/' }, 'Back to the shop')));
}

/** A line of the cart, and what is wrong with it. */
function cartRow({ productId, quantity }: Line, products: Product[], wrong: string): HTMLElement {
  const name = products.find(({ id }) => id === productId)?.name ?? 'Something that is no longer sold';
  return el('li', { class: 'line' },
    el('div', { class: 'thumb' }, picture(name)),
    el('div', { class: 'line-text' },
      el('span', { class: 'line-name' }, name),
      el('span', { class: 'stock' }, wrong),
      el('span', { class: 'quiet' }, `${quantity} in your cart`)));
}

/** Says what there is too little of, and offers to go on with the rest. */
function showShortage(main: HTMLElement, { lines }: Shortage, products: Product[], reopen: Reopen): void {
  const rows = lines.map((line) => cartRow(line, products, leftText(line.left)));
  const isAnyLeft = cart.lines().some((line) => !lines.some(({ productId, left }) => productId === line.productId && left === 0));
  const takeRest = () => {
    for (const { productId, left } of lines) cart.set(productId, left);
    if (isAnyLeft) reopen();
    else window.location.hash = '#/';
  };
  showMessage(main, 'There is not enough left',
    el('p', { class: 'quiet' }, 'Somebody was faster. Nothing was ordered, and nothing was charged.'),
    el('ul', { class: 'lines' }, ...rows),
    el('p', { class: 'actions' },
      el('button', { type: 'button', class: 'button', onclick: takeRest }, isAnyLeft ? 'Go on with what is left' : 'Empty the cart'),
      el('a', { class: 'button plain', href: '#/' }, 'Back to the shop')));
}

/** An order is with one seller: offers to leave the rest out. */
function showMixed(main: HTMLElement, { lines }: MixedSellers, products: Product[], reopen: Reopen): void {
  const leaveOut = () => {
    for (const { productId } of lines) cart.set(productId, 0);
    reopen();
  };
  showMessage(main, 'Your cart is from different sellers',
    el('p', { class: 'quiet' }, 'Each order is with one seller, so this has to be an order of its own. Nothing was charged.'),
    el('ul', { class: 'lines' }, ...lines.map((line) => cartRow(line, products, 'Of another seller'))),
    el('p', { class: 'actions' },
      el('button', { type: 'button', class: 'button', onclick: leaveOut }, 'Go on without it'),
      el('a', { class: 'button plain', href: '#/' }, 'Back to the shop')));
}

/** The money would not arrive where it should: nothing is taken before it would. */
function showSellerClosed(main: HTMLElement, reopen: Reopen): void {
  showMessage(main, 'This seller can not take payments now',
    el('p', {}, 'Nothing was charged, and your cart is still here. Please try again later, or choose something else.'),
    el('p', { class: 'actions' },
      el('button', { type: 'button', class: 'button', onclick: () => reopen() }, 'Try again'),
      el('a', { class: 'button plain', href: '#/' }, 'Back to the shop')));
}

/** Shows what ends this checkout. Answers whether `error` does. */
function showEnd(main: HTMLElement, error: unknown, products: Product[], reopen: Reopen): boolean {
  if (error instanceof Shortage) showShortage(main, error, products, reopen);
  else if (error instanceof MixedSellers) showMixed(main, error, products, reopen);
  else if (!(error instanceof Problem)) return false;
  else if (error.code === 'cart_empty') showEmpty(main);
  else if (error.code === 'too_many_attempts') showTooMany(main);
  else if (SELLER_CLOSED.includes(error.code)) showSellerClosed(main, reopen);
  else if (error.code === 'order_expired') showClosed(main, 'This order has expired', reopen);
  else if (error.code === 'order_canceled') showClosed(main, 'This order is closed', reopen);
  else return false;
  return true;
}

/**
 * Shows the checkout in `main`, until `signal` says that something else is shown. `reopen` shows it anew, with a
 * word on why.
 */
export async function openCheckout(
  main: HTMLElement, config: Config, products: Product[], signal: AbortSignal, reopen: Reopen, notice: string,
): Promise<void> {
  document.title = 'Checkout · Slow Pour';
  main.className = 'message';
  main.replaceChildren(el('p', { class: 'quiet' }, SPINNER(), 'Preparing your order…'));
  try {
    const open = await orderOfCart();
    if (open === 'over' || signal.aborted) return;
    const page = new CheckoutPage(main, open, config, products, reopen);
    page.render();
    await page.showPayment(signal, notice);
  } catch (error) {
    if (signal.aborted) return;
    if (!showEnd(main, error, products, reopen)) throw error;
  }
}
