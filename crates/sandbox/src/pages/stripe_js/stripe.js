const SCRIPT_URL = new URL(
  document.currentScript?.src
    ?? [...document.scripts].map((script) => script.src).find((src) => /\/v3\/?$|\/stripe\.js$/.test(src))
    ?? document.baseURI,
);
/** Where the sandbox is. */
const BASE = new URL('..', SCRIPT_URL).href.replace(/\/$/, '');
const SANDBOX_ORIGIN = SCRIPT_URL.origin;

/** A mistake in how the page uses Stripe.js: thrown, not returned. */
class IntegrationError extends Error {
  name = 'IntegrationError';
}

/** The page is about to be left: what was asked for never ends here. */
const leaving = (url) => {
  window.location.assign(url);
  return new Promise(() => {});
};

const plain = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

/** A frame of the sandbox's origin, and the messages to and from it. */
class Frame {
  #calls = new Map();
  #lastCall = 0;
  #loaded;
  #onMessage = (event) => this.#receive(event);

  constructor(onEvent) {
    this.onEvent = onEvent;
    this.node = document.createElement('iframe');
    this.node.title = 'Secure payment input frame';
    this.node.allow = 'payment *';
    this.node.setAttribute('scrolling', 'no');
    this.node.src = `${BASE}/v3/payment-element.html#${encodeURIComponent(window.location.origin)}`;
    // The frame is a little larger than its place, so that focus rings are not cut off.
    this.node.style.cssText = 'display:block;border:0;margin:-4px;padding:0;width:calc(100% + 8px);height:220px;'
      + 'min-width:100%;overflow:hidden;user-select:none;transform:translate(0);color-scheme:light only';
    this.whenLoaded = new Promise((resolve) => { this.#loaded = resolve; });
    window.addEventListener('message', this.#onMessage);
  }

  #receive(event) {
    if (event.origin !== SANDBOX_ORIGIN || event.source !== this.node.contentWindow) return;
    if (event.data?.quittanceSandbox !== true) return;
    const { type, call, value } = event.data;
    if (type === 'loaded') this.#loaded();
    else if (type === 'height') this.node.style.height = `${Math.ceil(value) + 8}px`;
    else if (type === 'result') {
      this.#calls.get(call)?.(value);
      this.#calls.delete(call);
    } else this.onEvent(type, value);
  }

  send(type, value, call) {
    this.node.contentWindow?.postMessage({ quittanceSandbox: true, type, value: plain(value), call }, SANDBOX_ORIGIN);
  }

  /** Asks the frame, and waits for its answer. */
  async ask(type, value) {
    await this.whenLoaded;
    this.#lastCall += 1;
    const call = this.#lastCall;
    return new Promise((resolve) => {
      this.#calls.set(call, resolve);
      this.send(type, value, call);
    });
  }

  close() {
    window.removeEventListener('message', this.#onMessage);
    this.node.remove();
    const message = 'The Payment Element was unmounted.';
    for (const resolve of this.#calls.values()) resolve({ error: { type: 'validation_error', message } });
    this.#calls.clear();
  }
}

/** `on`, `off` and `once`, as elements have them. */
class Listeners {
  #byEvent = new Map();

  on(event, handler) {
    if (typeof handler !== 'function') throw new IntegrationError('on() needs a function to call.');
    this.#byEvent.set(event, [...(this.#byEvent.get(event) ?? []), handler]);
    return this;
  }

  off(event, handler) {
    const left = handler ? (this.#byEvent.get(event) ?? []).filter((other) => other !== handler) : [];
    this.#byEvent.set(event, left);
    return this;
  }

  once(event, handler) {
    const wrapped = (value) => {
      this.off(event, wrapped);
      handler(value);
    };
    return this.on(event, wrapped);
  }

  emit(event, value) {
    for (const handler of this.#byEvent.get(event) ?? []) {
      // One handler's mistake must not keep the others from hearing of it.
      try { handler(value); } catch (error) { setTimeout(() => { throw error; }); }
    }
  }
}

class PaymentElement extends Listeners {
  #elements;
  #options;
  #frame = null;
  #place = null;
  #isDestroyed = false;

  constructor(elements, options = {}) {
    super();
    this.#elements = elements;
    this.#options = options;
  }

  get isMounted() {
    return this.#frame !== null;
  }

  mount(target) {
    if (this.#isDestroyed) {
      throw new IntegrationError('This Element has already been destroyed. Please create a new one.');
    }
    const place = typeof target === 'string' ? document.querySelector(target) : target;
    if (!place) {
      throw new IntegrationError(`The selector you specified (${target}) applies to no DOM elements that are `
        + 'currently on the page. Make sure the element exists on the page before calling mount().');
    }
    if (!(place instanceof Element)) {
      throw new IntegrationError('Invalid DOM element. mount() takes a selector or a DOM element.');
    }
    if (this.#place === place) return this;
    this.unmount();
    this.#place = place;
    place.replaceChildren();
    place.classList.add('StripeElement');
    this.#frame = new Frame((type, value) => this.#heard(type, value));
    place.append(this.#frame.node);
    const frame = this.#frame;
    frame.whenLoaded.then(() => frame.send('init', this.#elements.describe(this.#options)));
    return this;
  }

  #heard(type, value) {
    const common = { elementType: 'payment' };
    this.#place?.classList.toggle('StripeElement--focus', type === 'focus');
    if (type === 'change') {
      this.#place?.classList.toggle('StripeElement--complete', value.complete);
      this.#place?.classList.toggle('StripeElement--empty', value.empty);
    }
    this.emit(type, { ...common, ...value });
  }

  unmount() {
    this.#frame?.close();
    this.#frame = null;
    this.#place?.classList.remove('StripeElement', 'StripeElement--focus', 'StripeElement--complete',
      'StripeElement--empty');
    this.#place = null;
    return this;
  }

  destroy() {
    this.unmount();
    this.#isDestroyed = true;
    this.#elements.forget(this);
    return this;
  }

  update(options = {}) {
    this.#options = { ...this.#options, ...options };
    this.refresh();
    return this;
  }

  /** Tells the frame of changed options of the element or of its group. */
  refresh() {
    const frame = this.#frame;
    frame?.whenLoaded.then(() => frame.send('update', this.#elements.describe(this.#options)));
  }

  focus() {
    this.#frame?.send('focus');
    return this;
  }

  blur() {
    this.#frame?.send('blur');
    return this;
  }

  clear() {
    this.#frame?.send('clear');
    return this;
  }

  collapse() {
    return this;
  }

  /** Asks the frame; answers `{ value }` or `{ error }`, or throws what is the page's own mistake. */
  async ask(type, value) {
    if (!this.#frame) {
      throw new IntegrationError('Invalid value for elements: it should have a mounted Payment Element.');
    }
    const answer = await this.#frame.ask(type, value);
    if (answer.integrationError) throw new IntegrationError(answer.integrationError);
    return answer;
  }
}

/** What a group is for when no PaymentIntent is there yet. */
function readDeferred({ mode, amount, currency, allowedPaymentMethodTypes, paymentMethodTypes }) {
  if (mode !== 'payment') {
    throw new IntegrationError(`Invalid value for elements(): mode '${mode}' is not supported by the sandbox; `
      + "it has 'payment'.");
  }
  if (!Number.isInteger(amount) || amount <= 0) {
    throw new IntegrationError('Invalid value for elements(): amount must be a positive integer in the smallest '
      + 'currency unit.');
  }
  if (typeof currency !== 'string' || !/^[a-z]{3}$/.test(currency)) {
    throw new IntegrationError('Invalid value for elements(): currency must be a three-letter code in lower case.');
  }
  // The second name is that of releases before Endive.
  return { mode, amount, currency, types: allowedPaymentMethodTypes ?? paymentMethodTypes };
}

/** A group of elements for one payment. */
class Elements {
  #stripe;
  #options;
  #element = null;
  isSubmitted = false;

  constructor(stripe, options) {
    this.#stripe = stripe;
    this.#options = { ...options };
    if (options.mode !== undefined) this.deferred = readDeferred(options);
    else if (!isClientSecret(options.clientSecret)) {
      const shown = options.clientSecret === undefined ? 'It is missing.' : 'It should have the form of '
        + '${id}_secret_${secret}.';
      throw new IntegrationError(`Invalid value for elements(): clientSecret should be a client secret. ${shown}`);
    }
  }

  get clientSecret() {
    return this.#options.clientSecret;
  }

  create(type, options = {}) {
    if (type !== 'payment') {
      throw new IntegrationError(`The sandbox's Stripe.js has the Payment Element ('payment') only, not '${type}', `
        + 'although Stripe may have it.');
    }
    if (this.#element) {
      throw new IntegrationError('Can only create one Element of type payment through elements.create().');
    }
    this.#element = new PaymentElement(this, options);
    return this.#element;
  }

  getElement(type) {
    return type === 'payment' || type === PaymentElement ? this.#element : null;
  }

  forget(element) {
    if (this.#element === element) this.#element = null;
  }

  update(options = {}) {
    this.#options = { ...this.#options, ...options };
    if (this.deferred) this.deferred = readDeferred(this.#options);
    this.#element?.refresh();
  }

  async fetchUpdates() {
    if (!this.#element?.isMounted) return {};
    const { error } = await this.#element.ask('fetchUpdates');
    return error ? { error } : {};
  }

  async submit() {
    const { error, value } = await this.mounted('elements.submit').ask('submit');
    this.isSubmitted = !error;
    return error ? { error } : { selectedPaymentMethod: value.type };
  }

  mounted(caller) {
    if (this.#element?.isMounted) return this.#element;
    throw new IntegrationError(`Invalid value for ${caller}(): elements should have a mounted Payment Element.`);
  }

  /** What the frame has to know. */
  describe(elementOptions) {
    const { appearance, fonts, locale } = this.#options;
    return {
      ...this.#stripe.describe(),
      clientSecret: this.clientSecret,
      deferred: this.deferred,
      appearance,
      fonts,
      locale: locale ?? this.#stripe.locale,
      options: elementOptions,
    };
  }
}

/** Shows the page of the card's bank in a dialog, and waits until the customer is through. */
function authenticateInDialog(url) {
  const dialog = document.createElement('dialog');
  dialog.setAttribute('aria-label', '3D Secure authentication');
  dialog.style.cssText = 'border:0;padding:0;margin:auto;width:min(27rem,calc(100vw - 2rem));'
    + 'height:min(29rem,calc(100dvh - 2rem));border-radius:16px;overflow:hidden;background:#fff;'
    + 'box-shadow:0 24px 80px rgb(0 0 0 / 35%)';
  const frame = document.createElement('iframe');
  frame.title = '3D Secure authentication';
  frame.style.cssText = 'display:block;border:0;width:100%;height:100%';
  const page = new URL(url);
  page.searchParams.set('in_dialog', '1');
  frame.src = page.href;
  dialog.append(frame);
  // The customer decides on the bank's page, as at Stripe: Escape does not close it.
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    const onMessage = (event) => {
      if (event.origin !== page.origin || event.source !== frame.contentWindow) return;
      if (event.data?.quittanceSandbox !== true || event.data.type !== 'authenticated') return;
      window.removeEventListener('message', onMessage);
      dialog.close();
      dialog.remove();
      resolve();
    };
    window.addEventListener('message', onMessage);
  });
}

/** What remains to be done, once the page has done its part, is for the customer to pay a voucher. */
const REDIRECT_STATUS = {
  succeeded: 'succeeded', requires_capture: 'succeeded', processing: 'processing', requires_action: 'pending',
};

class StripeClient {
  #key;
  #account;
  #api;

  constructor(key, { stripeAccount, locale, apiVersion } = {}) {
    this.#key = key;
    this.#account = stripeAccount;
    this.locale = locale;
    this.apiVersion = apiVersion;
    this.#api = new PublishableApi(BASE, key, stripeAccount);
  }

  describe() {
    return { base: BASE, key: this.#key, account: this.#account };
  }

  elements(options = {}) {
    return new Elements(this, options);
  }

  async confirmPayment({ elements, clientSecret, confirmParams = {}, redirect = 'always' } = {}) {
    if (!['always', 'if_required'].includes(redirect)) {
      throw new IntegrationError("Invalid value for stripe.confirmPayment(): redirect should be 'always' or "
        + "'if_required'.");
    }
    if (redirect === 'always' && !confirmParams.return_url) {
      throw new IntegrationError('stripe.confirmPayment(): you must provide confirmParams.return_url.');
    }
    const secret = clientSecret ?? elements?.clientSecret;
    if (!isClientSecret(secret)) {
      throw new IntegrationError('Invalid value for stripe.confirmPayment(): clientSecret should be a client secret '
        + 'of a PaymentIntent, given here or to elements().');
    }
    if (elements?.deferred && !elements.isSubmitted) {
      throw new IntegrationError('elements.submit() must be called before stripe.confirmPayment().');
    }
    const staysHere = redirect === 'if_required';
    const { error, value } = elements
      ? await elements.mounted('stripe.confirmPayment').ask('confirm', { clientSecret: secret, confirmParams, staysHere })
      : await this.#api.confirmPaymentIntent(secret, { ...confirmParams, use_stripe_sdk: staysHere });
    return error ? { error } : this.#conclude(secret, value, redirect, confirmParams.return_url);
  }

  /** Carries the next action out, and goes where `redirect` says. */
  async #conclude(clientSecret, paymentIntent, redirect, returnUrl) {
    let intent = paymentIntent;
    const action = intent.status === 'requires_action' ? intent.next_action : null;
    if (action?.type === 'redirect_to_url') return leaving(action.redirect_to_url.url);
    if (action?.type === 'use_stripe_sdk') {
      await authenticateInDialog(action.use_stripe_sdk.stripe_js);
      const after = await this.#api.retrievePaymentIntent(clientSecret);
      if (after.error) return { error: after.error };
      intent = after.value;
      if (intent.status === 'requires_payment_method') {
        return { error: { ...intent.last_payment_error, payment_intent: intent } };
      }
    }
    if (redirect === 'if_required') return { paymentIntent: intent };
    const url = new URL(returnUrl, document.baseURI);
    url.searchParams.append('payment_intent', intent.id);
    url.searchParams.append('payment_intent_client_secret', clientSecret);
    url.searchParams.append('redirect_status', REDIRECT_STATUS[intent.status] ?? 'failed');
    return leaving(url.href);
  }

  async retrievePaymentIntent(clientSecret) {
    if (!isClientSecret(clientSecret)) {
      throw new IntegrationError('Invalid value for stripe.retrievePaymentIntent intent secret: value should be a '
        + 'client secret of the form ${id}_secret_${secret}.');
    }
    const { error, value } = await this.#api.retrievePaymentIntent(clientSecret);
    return error ? { error } : { paymentIntent: value };
  }

  async handleNextAction({ clientSecret } = {}) {
    const { error, paymentIntent } = await this.retrievePaymentIntent(clientSecret);
    if (error) return { error };
    return this.#conclude(clientSecret, paymentIntent, 'if_required');
  }

  /** For payment methods that are there already: `pm_…`. */
  async confirmCardPayment(clientSecret, data = {}, { handleActions = true } = {}) {
    if (data.payment_method !== undefined && typeof data.payment_method !== 'string') {
      throw new IntegrationError("The sandbox's Stripe.js takes the id of a payment method here, or a Payment Element "
        + 'in stripe.confirmPayment().');
    }
    const { error, value } = await this.#api.confirmPaymentIntent(clientSecret, { ...data, use_stripe_sdk: true });
    if (error) return { error };
    return handleActions ? this.#conclude(clientSecret, value, 'if_required') : { paymentIntent: value };
  }

  async createPaymentMethod({ elements, params = {} } = {}) {
    if (!elements) {
      throw new IntegrationError("The sandbox's Stripe.js makes payment methods of a Payment Element: "
        + 'createPaymentMethod({ elements }).');
    }
    const { error, value } = await elements.mounted('stripe.createPaymentMethod').ask('createPaymentMethod', params);
    return error ? { error } : { paymentMethod: value };
  }

  // Frameworks look for these before they take an object for Stripe.
  async createToken() {
    throw new IntegrationError("The sandbox's Stripe.js makes no tokens: use the Payment Element.");
  }

  registerAppInfo() {}

  _registerWrapper() {}
}

/** The entry: `Stripe(key, options)`. */
function Stripe(key, options) {
  if (typeof key !== 'string' || key === '') {
    throw new IntegrationError('Please call Stripe() with your publishable key. You used an empty string.');
  }
  if (/^[sr]k_/.test(key)) {
    throw new IntegrationError('You should not use your secret key with Stripe.js. Please pass a publishable key '
      + 'instead.');
  }
  if (!/^pk_test_./.test(key)) {
    throw new IntegrationError('This is the Quittance sandbox, not Stripe: it takes publishable test keys '
      + '(pk_test_…) only.');
  }
  return new StripeClient(key, options ?? {});
}
Stripe.version = 'quittance-sandbox';

if (!window.Stripe) {
  window.Stripe = Stripe;
  // A note for whoever wonders where the money is.
  console.info('Stripe.js of the Quittance sandbox: no money moves. Use test cards only, never a real one.');
}
