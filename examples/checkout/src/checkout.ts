// The checkout page: contact, delivery, payment, and order summary. The customer pays in the Payment Element or on
// Stripe's hosted page. Only one of them is open at a time, because the API closes the other one.
//
// The page places the order when it opens, because the Payment Element needs the order's PaymentIntent. The API sets the
// prices. A cart keeps its order when the customer reloads the page, uses the back button, or retries
// after a decline.

import { api, Problem, type Order, type PlacedOrder, type Product } from './api';
import { COUNTRIES, countryNames } from './countries';
import { announce, el, errorMessage, showMessage, SPINNER } from './dom';
import { formatAmount } from './money';
import { picture } from './pictures';
import { stockText } from './stock';
import { cart, checkout, orderToken, type CartLine, type Checkout } from './storage';
import { appearance, loadStripe, type BillingDetails, type Elements, type Stripe, type StripeError } from './stripe';

type Config = Awaited<ReturnType<typeof api.config>>;

interface OpenOrder {
  order: Order;
  token: string;
}

/** The statuses of a PaymentIntent that needs no further action by the customer. */
const FINISHED_STATUSES = ['succeeded', 'processing', 'requires_capture'];

/** The API's problem codes for an order that is paid or processing. */
const PAID_CODES = ['already_paid', 'payment_processing', 'payment_in_flight', 'order_in_review'];

/** The API's problem codes for a seller that can't accept payments. */
const SELLER_UNAVAILABLE_CODES = ['seller_not_ready', 'seller_not_connected', 'seller_disconnected'];

/** Opens the checkout again, with an optional notice. */
type Reopen = (notice?: string) => void;

/** The cart contains more of some products than are in stock. */
class InsufficientStockError extends Error {
  constructor(readonly lines: (CartLine & { left: number })[]) {
    super('Some items are out of stock.');
  }
}

/** The cart contains items from several sellers. `lines` are those of other sellers than the first item's. */
class MixedSellersError extends Error {
  constructor(readonly lines: CartLine[]) {
    super('The items are from different sellers.');
  }
}

/** Returns the hosted page's return URLs. Stripe replaces the placeholder in braces, so it must not be encoded. */
const hostedUrls = () => ({
  success_url: `${new URL('return.html', document.baseURI).href}?session_id={CHECKOUT_SESSION_ID}`,
  cancel_url: new URL('#/checkout', document.baseURI).href,
});

/** Returns the URL that the customer is redirected to after the payment. */
const returnUrl = (orderId: string) => new URL(`return.html?order=${encodeURIComponent(orderId)}`, document.baseURI).href;

/** Places an order for the cart. Repeated calls with the same checkout place one order. */
async function placeOrder(next: Checkout): Promise<PlacedOrder> {
  const lines = cart.lines();
  const items = lines.map(({ productId, quantity }) => ({ product_id: productId, quantity }));
  return api.placeOrder(items, next.idempotencyKey).catch((error: unknown) => {
    if (!(error instanceof Problem) || error.status < 400 || error.status >= 500) throw error;
    // The API replays this error for the same key, so the next attempt needs a new key.
    checkout.clear();
    const linesWithError = (codes: string[]) => error.errors.flatMap(({ pointer, code, available }) => {
      const line = lines[Number(/^\/items\/(\d+)/.exec(pointer)?.[1])];
      return line && codes.includes(code) ? [{ ...line, left: available ?? 0 }] : [];
    });
    const unavailable = linesWithError(['insufficient_stock', 'not_for_sale']);
    if (unavailable.length) throw new InsufficientStockError(unavailable);
    const otherSellers = linesWithError(['mixed_sellers']);
    throw otherSellers.length ? new MixedSellersError(otherSellers) : error;
  });
}

/** Returns the open order of this cart, or places a new one. Returns `paid` after redirecting to the return page. */
async function openOrderForCart(): Promise<OpenOrder | 'paid'> {
  const started = checkout.current();
  const token = started?.orderId ? orderToken(started.orderId) : undefined;
  if (started?.orderId && token) {
    const isSame = started.cart === cart.fingerprint();
    const order = await api.order(started.orderId, token).catch((error: unknown) => {
      // The order belongs to another database, or the token to another key. Treat the order as missing.
      if (error instanceof Problem && [401, 404].includes(error.status)) return null;
      throw error;
    });
    const isOpen = order && ['pending', 'payment_failed'].includes(order.status);
    const isPaid = order && !isOpen && !['canceled', 'expired'].includes(order.status);
    if (isPaid && (isSame || cart.count() === 0)) {
      window.location.replace(returnUrl(order.id));
      return 'paid';
    }
    if (order && isOpen && isSame) return { order, token };
    // The cart has changed, so cancel its previous order.
    if (isOpen) await api.cancelOrder(started.orderId, token).catch(() => null);
  }
  if (cart.count() === 0) throw new Problem(0, 'cart_empty', 'Your cart is empty.');
  const next = started && !started.orderId && started.cart === cart.fingerprint() ? started : checkout.start();
  const placed = await placeOrder(next);
  checkout.setOrder(next, placed);
  return { order: placed, token: placed.client_token };
}

/** A labeled input with an error message. */
class Field {
  readonly node: HTMLElement;
  readonly #error: HTMLElement;

  constructor(readonly input: HTMLInputElement | HTMLSelectElement, label: string, readonly errorText: string | null) {
    const errorId = `${input.id}-error`;
    this.#error = el('p', { id: errorId, class: 'field-error' });
    input.setAttribute('aria-describedby', errorId);
    if (errorText) input.required = true;
    const hint = errorText ? null : el('span', { class: 'optional' }, ' (optional)');
    this.node = el('div', { class: `field field-${input.id}` }, el('label', { for: input.id }, label, hint), input, this.#error);
    input.addEventListener('blur', () => { if (this.value) this.validate(); });
    input.addEventListener('input', () => this.setError(''));
  }

  get value(): string {
    return this.input.value.trim();
  }

  setError(message: string): void {
    this.#error.textContent = message;
    this.input.setAttribute('aria-invalid', String(message !== ''));
  }

  validate(): boolean {
    const isMissing = this.errorText !== null && !this.value;
    const isInvalid = this.input instanceof HTMLInputElement && this.input.type === 'email' && !/^\S+@\S+\.\S+$/.test(this.value);
    this.setError(isMissing || isInvalid ? this.errorText ?? '' : '');
    return !isMissing && !isInvalid;
  }
}

function textField(id: string, label: string, autocomplete: string, errorText: string | null, value?: string | null, type = 'text') {
  const input = el('input', { id, name: id, type, autocomplete, value: value ?? '', inputmode: type === 'email' && 'email' });
  return new Field(input, label, errorText);
}

function countryField(chosen: string | undefined): Field {
  const localCountry = new Intl.Locale(navigator.language).maximize().region ?? '';
  const selected = chosen ?? (COUNTRIES.includes(localCountry) ? localCountry : 'DE');
  const select = el('select', { id: 'country', name: 'country', autocomplete: 'country' },
    ...countryNames().map(([code, name]) => el('option', { value: code, selected: code === selected }, name)));
  return new Field(select, 'Country', 'Please select a country.');
}

function createFields({ customer, shipping }: Order) {
  const address = shipping?.address;
  return {
    email: textField('email', 'Email', 'email', 'Please enter your email address.', customer.email, 'email'),
    name: textField('name', 'Full name', 'name', 'Please enter your name.', shipping?.name ?? customer.name),
    line1: textField('line1', 'Address', 'address-line1', 'Please enter your street and house number.', address?.line1),
    line2: textField('line2', 'Apartment, floor', 'address-line2', null, address?.line2),
    postalCode: textField('postal_code', 'Postal code', 'postal-code', 'Please enter your postal code.', address?.postal_code),
    city: textField('city', 'City', 'address-level2', 'Please enter your city.', address?.city),
    country: countryField(address?.country),
  };
}

type Fields = ReturnType<typeof createFields>;

/** Shows the API's field errors next to the fields. Returns whether any error belongs to a field. */
function showFieldErrors(fields: Fields, problem: Problem): boolean {
  let first: Field | undefined;
  for (const { pointer, detail } of problem.errors) {
    const name = pointer.split('/').at(-1) ?? '';
    const field = Object.values(fields).find(({ input }) => input.id === name);
    field?.setError(`This ${detail}.`);
    first ??= field;
  }
  first?.input.focus();
  return first !== undefined;
}

function renderSummary(order: Order, products: Product[]): HTMLElement {
  const lines = order.items.map((item) => el('li', { class: 'line' },
    el('div', { class: 'thumb' }, picture(products.find(({ id }) => id === item.product_id)?.name ?? item.name)),
    el('div', { class: 'line-text' },
      el('span', { class: 'line-name' }, item.name), el('span', { class: 'quiet' }, `${item.quantity} × ${formatAmount(item.unit_amount, order.currency)}`)),
    el('span', { class: 'line-price' }, formatAmount(item.amount, order.currency))));
  return el('aside', { class: 'summary', 'aria-labelledby': 'summary-title' },
    el('h2', { id: 'summary-title' }, 'Your order'),
    el('ul', { class: 'lines' }, ...lines),
    el('p', { class: 'total small' }, el('span', {}, 'Delivery'), el('span', {}, 'Free')),
    el('p', { class: 'total' }, el('span', {}, 'Total'), el('strong', {}, formatAmount(order.amount_total, order.currency))));
}

/** The rendered checkout, with at most one payment in progress. */
class CheckoutPage {
  #isPaying = false;
  readonly #payButton = el('button', { type: 'submit', class: 'button wide pay', disabled: true });
  readonly #hostedButton = el('button', { type: 'button', class: 'button plain wide', onclick: () => void this.#payHosted() });
  readonly #alert = el('div', { class: 'alert', role: 'alert', hidden: true });
  readonly #payment = el('div', { id: 'payment', class: 'payment-form' }, el('div', { class: 'skeleton', 'aria-hidden': 'true' }));
  readonly #fields: Fields;
  #elements: Elements | null = null;
  #stripe: Stripe | null = null;

  constructor(
    readonly main: HTMLElement, readonly open: OpenOrder, readonly config: Config, readonly products: Product[], readonly reopen: Reopen,
  ) {
    this.#fields = createFields(open.order);
    this.#updateButtons('none');
  }

  get #price(): string {
    return formatAmount(this.open.order.amount_total, this.open.order.currency);
  }

  /** Updates the two payment buttons. */
  #updateButtons(busy: 'none' | 'paying' | 'leaving'): void {
    const isPaying = busy === 'paying';
    this.#payButton.replaceChildren(...(isPaying ? [SPINNER(), 'Paying…'] : ['Pay', el('span', { class: 'pay-price' }, this.#price)]));
    this.#payButton.setAttribute('aria-label', isPaying ? 'Paying…' : `Pay ${this.#price}`);
    this.#payButton.disabled = busy !== 'none' || !this.#elements;
    this.#payButton.setAttribute('aria-busy', String(isPaying));
    const isLeaving = busy === 'leaving';
    this.#hostedButton.replaceChildren(...(isLeaving ? [SPINNER(), 'Opening the payment page…'] : ['Pay on a hosted page']));
    // Wait for the PaymentIntent, because the API keeps only the payment that was requested last.
    this.#hostedButton.disabled = busy !== 'none' || !this.#stripe;
    this.#hostedButton.setAttribute('aria-busy', String(isLeaving));
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
      this.#payButton,
      el('p', { class: 'quiet secure' }, 'Your card details go directly to the payment provider. This shop never sees them.'),
      el('p', { class: 'or' }, 'or'),
      this.#hostedButton,
      el('p', { class: 'quiet secure' }, 'You pay on the payment provider’s page, and then return here.'));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#pay();
    });
    main.className = 'checkout';
    main.replaceChildren(
      el('div', { class: 'checkout-head' }, el('a', { href: '#/', class: 'back' }, '← Back to the shop'), el('h1', {}, 'Checkout')),
      form, renderSummary(this.open.order, this.products));
  }

  /** Loads and shows the payment form. Shows the notice or the order's last decline above it. */
  async showPayment(signal: AbortSignal, notice: string): Promise<void> {
    const { id } = this.open.order;
    const [createStripe, intent] = await Promise.all([
      loadStripe(this.config.stripe_js_url, this.config.publishable_key),
      api.paymentIntent(id, this.open.token),
    ]);
    if (signal.aborted) return;
    if (FINISHED_STATUSES.includes(intent.status)) {
      window.location.replace(returnUrl(id));
      return;
    }
    const stripe = createStripe(intent.stripe_account);
    const elements = stripe.elements({ clientSecret: intent.client_secret, appearance: appearance() });
    const element = elements.create('payment', {
      layout: 'tabs',
      // The page's own form already collects these.
      fields: { billingDetails: { name: 'never', email: 'never', phone: 'never', address: 'never' } },
    });
    signal.addEventListener('abort', () => element.destroy());
    const darkMode = matchMedia('(prefers-color-scheme: dark)');
    darkMode.addEventListener('change', () => elements.update({ appearance: appearance() }), { signal });
    this.#stripe = stripe;
    element.on('ready', () => {
      this.#elements = elements;
      this.#updateButtons('none');
    });
    element.on('loaderror', ({ error }) => { void this.#handleStripeError(error); });
    element.mount(this.#payment);
    this.#updateButtons('none');
    if (notice) this.#showAlert(notice);
    else this.#setAlert(this.open.order.payment?.last_error?.message ?? '');
  }

  #setAlert(message: string): void {
    this.#alert.hidden = message === '';
    this.#alert.textContent = message;
  }

  /** Shows a message and scrolls it into view. */
  #showAlert(message: string): void {
    this.#setAlert(message);
    this.#alert.scrollIntoView({ block: 'nearest' });
  }

  #validateFields(): boolean {
    const invalid = Object.values(this.#fields).filter((field) => !field.validate());
    invalid[0]?.input.focus();
    return invalid.length === 0;
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

  /** Starts a payment, unless one is already in progress. */
  async #startPayment(busy: 'paying' | 'leaving', pay: (stripe: Stripe) => Promise<void>): Promise<void> {
    const stripe = this.#stripe;
    if (this.#isPaying || !stripe) return;
    this.#isPaying = true;
    this.#setAlert('');
    try {
      if (!this.#validateFields()) return this.#setAlert('Please complete the marked fields above.');
      this.#updateButtons(busy);
      await pay(stripe);
    } catch (error) {
      this.#handleApiError(error);
    } finally {
      this.#isPaying = false;
      this.#updateButtons('none');
    }
  }

  #pay(): Promise<void> {
    return this.#startPayment('paying', async (stripe) => {
      const elements = this.#elements;
      if (!elements) return;
      announce('Processing your payment.');
      const submitted = await elements.submit();
      // The payment form shows its own errors.
      if (submitted.error) return;
      await this.#saveDetails();
      const { error } = await stripe.confirmPayment({
        elements,
        confirmParams: {
          return_url: returnUrl(this.open.order.id),
          payment_method_data: { billing_details: this.#billingDetails() },
        },
      });
      // After a success, Stripe.js redirects to the return page.
      if (error) await this.#handleStripeError(error);
    });
  }

  #payHosted(): Promise<void> {
    return this.#startPayment('leaving', async () => {
      announce('Opening the payment page.');
      await this.#saveDetails();
      const { url } = await api.checkoutSession(this.open.order.id, this.open.token, hostedUrls());
      window.location.assign(url);
      // Keep the buttons busy until the browser leaves this page. The back button renders the checkout again.
      await new Promise<never>(() => {});
    });
  }

  /** Shows an error from the API. */
  #handleApiError(error: unknown): void {
    if (showFinalError(this.main, error, this.products, this.reopen)) return;
    if (!(error instanceof Problem)) this.#showAlert(errorMessage(error));
    // The order was paid in another tab.
    else if (PAID_CODES.includes(error.code)) window.location.replace(returnUrl(this.open.order.id));
    else if (!showFieldErrors(this.#fields, error)) this.#showAlert(error.message);
  }

  async #saveDetails(): Promise<void> {
    const { name, email, address } = this.#billingDetails();
    const { line1, city, postal_code, country } = address;
    const line2 = address.line2 || null;
    await api.updateOrder(this.open.order.id, this.open.token, { name, email }, {
      name, address: { line1, line2, city, postal_code, country },
    });
  }

  /** Shows an error from Stripe. Redirects to the return page if the PaymentIntent was paid in another tab. */
  async #handleStripeError(error: StripeError): Promise<void> {
    if (FINISHED_STATUSES.includes(error.payment_intent?.status ?? '')) {
      window.location.replace(returnUrl(this.open.order.id));
      return;
    }
    // Another tab opened the hosted page, which canceled this PaymentIntent. Reopening creates a new one.
    if (error.code === 'payment_intent_unexpected_state') {
      return this.reopen('You started to pay in another window, so this payment was canceled. You weren’t charged. Please enter your card again.');
    }
    // The seller disconnected since this page was opened. Reopening shows the API's error.
    if (error.code === 'account_invalid') return this.reopen('This seller can’t accept payments right now. You weren’t charged.');
    if (error.type === 'validation_error') return;
    this.#showAlert(`${error.message ?? 'The payment failed.'} You weren’t charged. You can try again.`);
  }
}

function showEmpty(main: HTMLElement): void {
  showMessage(main, 'Your cart is empty',
    el('p', { class: 'quiet' }, 'Orders that you paid for are complete. You don’t need to pay anything.'),
    el('a', { class: 'button', href: '#/' }, 'Back to the shop'));
}

/** Shown after too many declines. The next checkout places a new order. */
function showTooManyAttempts(main: HTMLElement): void {
  checkout.clear();
  showMessage(main, 'Too many attempts',
    el('p', {}, 'This order can’t be paid anymore, and you weren’t charged. Your cart is saved.'),
    el('a', { class: 'button', href: '#/' }, 'Back to the shop'));
}

/** Shown for an order that expired or was canceled in another tab. The customer can order the cart again. */
function showClosed(main: HTMLElement, title: string, reopen: Reopen): void {
  showMessage(main, title,
    el('p', {}, 'You weren’t charged, and your cart is saved.'),
    el('p', { class: 'actions' },
      el('button', { type: 'button', class: 'button', onclick: () => reopen() }, 'Order again'),
      el('a', { class: 'button plain', href: '#/' }, 'Back to the shop')));
}

/** Renders a cart line with an error message. */
function cartRow({ productId, quantity }: CartLine, products: Product[], message: string): HTMLElement {
  const name = products.find(({ id }) => id === productId)?.name ?? 'A product that is no longer available';
  return el('li', { class: 'line' },
    el('div', { class: 'thumb' }, picture(name)),
    el('div', { class: 'line-text' },
      el('span', { class: 'line-name' }, name),
      el('span', { class: 'stock' }, message),
      el('span', { class: 'quiet' }, `${quantity} in your cart`)));
}

/** Shows the unavailable items, and offers to continue with the available ones. */
function showInsufficientStock(main: HTMLElement, { lines }: InsufficientStockError, products: Product[], reopen: Reopen): void {
  const rows = lines.map((line) => cartRow(line, products, stockText(line.left)));
  const isAnyLeft = cart.lines().some((line) => !lines.some(({ productId, left }) => productId === line.productId && left === 0));
  const keepAvailable = () => {
    for (const { productId, left } of lines) cart.set(productId, left);
    if (isAnyLeft) reopen();
    else window.location.hash = '#/';
  };
  showMessage(main, 'Some items are out of stock',
    el('p', { class: 'quiet' }, 'Another customer was faster. Your order wasn’t placed, and you weren’t charged.'),
    el('ul', { class: 'lines' }, ...rows),
    el('p', { class: 'actions' },
      el('button', { type: 'button', class: 'button', onclick: keepAvailable }, isAnyLeft ? 'Continue with available items' : 'Empty cart'),
      el('a', { class: 'button plain', href: '#/' }, 'Back to the shop')));
}

/** Shows the items of other sellers, and offers to continue without them. */
function showMixedSellers(main: HTMLElement, { lines }: MixedSellersError, products: Product[], reopen: Reopen): void {
  const removeLines = () => {
    for (const { productId } of lines) cart.set(productId, 0);
    reopen();
  };
  showMessage(main, 'Your cart has items from different sellers',
    el('p', { class: 'quiet' }, 'An order can have only one seller. Please order these items separately. You weren’t charged.'),
    el('ul', { class: 'lines' }, ...lines.map((line) => cartRow(line, products, 'From another seller'))),
    el('p', { class: 'actions' },
      el('button', { type: 'button', class: 'button', onclick: removeLines }, 'Continue without these items'),
      el('a', { class: 'button plain', href: '#/' }, 'Back to the shop')));
}

/** Shown if the seller's account can't accept payments. */
function showSellerUnavailable(main: HTMLElement, reopen: Reopen): void {
  showMessage(main, 'This seller can’t accept payments right now',
    el('p', {}, 'You weren’t charged, and your cart is saved. Please try again later, or choose something else.'),
    el('p', { class: 'actions' },
      el('button', { type: 'button', class: 'button', onclick: () => reopen() }, 'Try again'),
      el('a', { class: 'button plain', href: '#/' }, 'Back to the shop')));
}

/** Replaces the checkout with an error that ends it. Returns false for other errors. */
function showFinalError(main: HTMLElement, error: unknown, products: Product[], reopen: Reopen): boolean {
  if (error instanceof InsufficientStockError) showInsufficientStock(main, error, products, reopen);
  else if (error instanceof MixedSellersError) showMixedSellers(main, error, products, reopen);
  else if (!(error instanceof Problem)) return false;
  else if (error.code === 'cart_empty') showEmpty(main);
  else if (error.code === 'too_many_attempts') showTooManyAttempts(main);
  else if (SELLER_UNAVAILABLE_CODES.includes(error.code)) showSellerUnavailable(main, reopen);
  else if (error.code === 'order_expired') showClosed(main, 'This order has expired', reopen);
  else if (error.code === 'order_canceled') showClosed(main, 'This order was canceled', reopen);
  else return false;
  return true;
}

/** Shows the checkout in `main` until `signal` aborts. `reopen` opens the checkout again with a notice. */
export async function openCheckout(
  main: HTMLElement, config: Config, products: Product[], signal: AbortSignal, reopen: Reopen, notice: string,
): Promise<void> {
  document.title = 'Checkout · Slow Pour';
  main.className = 'message';
  main.replaceChildren(el('p', { class: 'quiet' }, SPINNER(), 'Preparing your order…'));
  try {
    const open = await openOrderForCart();
    if (open === 'paid' || signal.aborted) return;
    const page = new CheckoutPage(main, open, config, products, reopen);
    page.render();
    await page.showPayment(signal, notice);
  } catch (error) {
    if (signal.aborted) return;
    if (!showFinalError(main, error, products, reopen)) throw error;
  }
}
