const SCRIPT_URL = new URL(
  document.currentScript?.src
    ?? [...document.scripts].map((script) => script.src).find((src) => /\/v3\/?$|\/stripe\.js$/.test(src))
    ?? document.baseURI,
);
/** The sandbox's base URL. */
const BASE = new URL('..', SCRIPT_URL).href.replace(/\/$/, '');
const SANDBOX_ORIGIN = SCRIPT_URL.origin;

/** An error in how the page uses Stripe.js. It is thrown, not returned. */
class IntegrationError extends Error {
  name = 'IntegrationError';
}

/** Leaves the page. The promise never settles. */
const navigate = (url) => {
  window.location.assign(url);
  return new Promise(() => {});
};

const plain = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

/** A frame of the sandbox's origin, and its message channel. */
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
    // The frame is slightly larger than its container, so that focus rings aren't clipped.
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

  /** Sends a request to the frame and waits for the result. */
  async request(type, value) {
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

/** The `on`, `off` and `once` methods of elements. */
class Listeners {
  #byEvent = new Map();

  on(event, handler) {
    if (typeof handler !== 'function') throw new IntegrationError('on() requires a handler function.');
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
      // An error in one handler must not prevent the others from running.
      try { handler(value); } catch (error) { setTimeout(() => { throw error; }); }
    }
  }
}

class PaymentElement extends Listeners {
  #elements;
  #options;
  #frame = null;
  #container = null;
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
    const container = typeof target === 'string' ? document.querySelector(target) : target;
    if (!container) {
      throw new IntegrationError(`The selector you specified (${target}) applies to no DOM elements that are `
        + 'currently on the page. Make sure the element exists on the page before calling mount().');
    }
    if (!(container instanceof Element)) {
      throw new IntegrationError('Invalid DOM element. mount() takes a selector or a DOM element.');
    }
    if (this.#container === container) return this;
    this.unmount();
    this.#container = container;
    container.replaceChildren();
    container.classList.add('StripeElement');
    this.#frame = new Frame((type, value) => this.#onFrameEvent(type, value));
    container.append(this.#frame.node);
    const frame = this.#frame;
    frame.whenLoaded.then(() => frame.send('init', this.#elements.describe(this.#options)));
    return this;
  }

  #onFrameEvent(type, value) {
    const common = { elementType: 'payment' };
    this.#container?.classList.toggle('StripeElement--focus', type === 'focus');
    if (type === 'change') {
      this.#container?.classList.toggle('StripeElement--complete', value.complete);
      this.#container?.classList.toggle('StripeElement--empty', value.empty);
    }
    this.emit(type, { ...common, ...value });
  }

  unmount() {
    this.#frame?.close();
    this.#frame = null;
    this.#container?.classList.remove('StripeElement', 'StripeElement--focus', 'StripeElement--complete',
      'StripeElement--empty');
    this.#container = null;
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

  /** Sends changed options to the frame. */
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

  /** Sends a request to the frame. Returns `{ value }` or `{ error }`, or throws an IntegrationError. */
  async request(type, value) {
    if (!this.#frame) {
      throw new IntegrationError('Invalid value for elements: it should have a mounted Payment Element.');
    }
    const result = await this.#frame.request(type, value);
    if (result.integrationError) throw new IntegrationError(result.integrationError);
    return result;
  }
}

/** Validates the options of a group that has no PaymentIntent yet. */
function readDeferred({ mode, amount, currency, allowedPaymentMethodTypes, paymentMethodTypes }) {
  if (mode !== 'payment') {
    throw new IntegrationError(`Invalid value for elements(): mode '${mode}' is not supported by the sandbox; `
      + "use 'payment'.");
  }
  if (!Number.isInteger(amount) || amount <= 0) {
    throw new IntegrationError('Invalid value for elements(): amount must be a positive integer in the smallest '
      + 'currency unit.');
  }
  if (typeof currency !== 'string' || !/^[a-z]{3}$/.test(currency)) {
    throw new IntegrationError('Invalid value for elements(): currency must be a three-letter code in lower case.');
  }
  // Releases before Endive use the second name.
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
      throw new IntegrationError(`The sandbox's Stripe.js supports only the Payment Element ('payment'), not '${type}'.`);
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
    const { error } = await this.#element.request('fetchUpdates');
    return error ? { error } : {};
  }

  async submit() {
    const { error, value } = await this.mounted('elements.submit').request('submit');
    this.isSubmitted = !error;
    return error ? { error } : { selectedPaymentMethod: value.type };
  }

  mounted(caller) {
    if (this.#element?.isMounted) return this.#element;
    throw new IntegrationError(`Invalid value for ${caller}(): elements should have a mounted Payment Element.`);
  }

  /** Returns the options for the frame. */
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

/** Shows the bank's page in a dialog and waits until the customer has finished. */
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
  // Like Stripe, ignores Escape: the customer decides on the bank's page.
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

/** Maps a PaymentIntent's status to `redirect_status`. Here, `requires_action` means an unpaid voucher. */
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
    const staysOnPage = redirect === 'if_required';
    const { error, value } = elements
      ? await elements.mounted('stripe.confirmPayment').request('confirm', { clientSecret: secret, confirmParams, staysOnPage })
      : await this.#api.confirmPaymentIntent(secret, { ...confirmParams, use_stripe_sdk: staysOnPage });
    return error ? { error } : this.#conclude(secret, value, redirect, confirmParams.return_url);
  }

  /** Handles the next action, then redirects according to `redirect`. */
  async #conclude(clientSecret, paymentIntent, redirect, returnUrl) {
    let intent = paymentIntent;
    const action = intent.status === 'requires_action' ? intent.next_action : null;
    if (action?.type === 'redirect_to_url') return navigate(action.redirect_to_url.url);
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
    return navigate(url.href);
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

  /** Confirms with an existing payment method, `pm_…`. */
  async confirmCardPayment(clientSecret, data = {}, { handleActions = true } = {}) {
    if (data.payment_method !== undefined && typeof data.payment_method !== 'string') {
      throw new IntegrationError("The sandbox's Stripe.js requires a payment method ID here. Use "
        + 'stripe.confirmPayment() for a Payment Element.');
    }
    const { error, value } = await this.#api.confirmPaymentIntent(clientSecret, { ...data, use_stripe_sdk: true });
    if (error) return { error };
    return handleActions ? this.#conclude(clientSecret, value, 'if_required') : { paymentIntent: value };
  }

  async createPaymentMethod({ elements, params = {} } = {}) {
    if (!elements) {
      throw new IntegrationError("The sandbox's Stripe.js creates payment methods only from a Payment Element: "
        + 'createPaymentMethod({ elements }).');
    }
    const { error, value } = await elements.mounted('stripe.createPaymentMethod').request('createPaymentMethod', params);
    return error ? { error } : { paymentMethod: value };
  }

  // Frameworks check for these methods to recognize a Stripe object.
  async createToken() {
    throw new IntegrationError("The sandbox's Stripe.js doesn't support tokens. Use the Payment Element.");
  }

  registerAppInfo() {}

  _registerWrapper() {}
}

/** The entry point: `Stripe(key, options)`. */
function Stripe(key, options) {
  if (typeof key !== 'string' || key === '') {
    throw new IntegrationError('Please call Stripe() with your publishable key. You used an empty string.');
  }
  if (/^[sr]k_/.test(key)) {
    throw new IntegrationError('You should not use your secret key with Stripe.js. Please pass a publishable key '
      + 'instead.');
  }
  if (!/^pk_test_./.test(key)) {
    throw new IntegrationError('This is the Quittance sandbox, not Stripe. It accepts publishable test keys '
      + '(pk_test_…) only.');
  }
  return new StripeClient(key, options ?? {});
}
Stripe.version = 'quittance-sandbox';

if (!window.Stripe) {
  window.Stripe = Stripe;
  console.info('This is the Quittance sandbox. No money is moved. Use test cards only, never a real one.');
}
