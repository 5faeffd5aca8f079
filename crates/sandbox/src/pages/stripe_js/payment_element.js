/** The origin of the parent page. The frame exchanges messages with this origin only. */
const PARENT_ORIGIN = decodeURIComponent(window.location.hash.slice(1));

const COUNTRIES = ('AC AD AE AF AG AI AL AM AO AQ AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT '
  + 'BV BW BY BZ CA CD CF CG CH CI CK CL CM CN CO CR CV CW CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FO FR '
  + 'GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IS IT JE JM JO JP KE '
  + 'KG KH KI KM KN KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS MT MU MV MW '
  + 'MX MY MZ NA NC NE NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PY QA RE RO RS RU RW SA SB SC SE '
  + 'SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA '
  + 'VC VE VG VN VU WF WS XK YE YT ZA ZM ZW').split(' ');

/** Countries whose postal codes the card's bank checks. */
const POSTAL_CODE_LABELS = { US: 'ZIP code', CA: 'Postal code', GB: 'Postcode' };

const THEMES = {
  stripe: {
    colorPrimary: '#0570de', colorBackground: '#ffffff', colorText: '#30313d', colorDanger: '#df1b41',
    colorTextSecondary: '#6d6e78', colorTextPlaceholder: '#757680', colorBorder: '#e6e6e6',
    fontFamily: '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Helvetica Neue", sans-serif',
    fontSizeBase: '16px', fontWeightNormal: '400', fontWeightMedium: '500', spacingUnit: '4px', borderRadius: '5px',
  },
  night: {
    colorPrimary: '#85d996', colorBackground: '#30313d', colorText: '#ffffff', colorDanger: '#fe87a1',
    colorTextSecondary: '#cfcfd6', colorTextPlaceholder: '#a9aab5', colorBorder: '#424353',
  },
  flat: { colorBackground: '#f1f1f1', colorBorder: 'transparent' },
};

const postToParent = (type, value, call) => {
  const target = PARENT_ORIGIN === 'null' || PARENT_ORIGIN === '' ? '*' : PARENT_ORIGIN;
  window.parent.postMessage({ quittanceSandbox: true, type, value, call }, target);
};

/** Returns whether the form collects a billing detail, according to `fields.billingDetails`. */
function isCollected(path) {
  let setting = config.options?.fields?.billingDetails ?? 'auto';
  for (const part of path.split('.')) {
    if (typeof setting !== 'object') break;
    setting = setting[part] ?? 'auto';
  }
  return setting !== 'never';
}

const defaultFor = (path) => path.split('.').reduce((value, part) => value?.[part],
  config.options?.defaultValues?.billingDetails) ?? '';

function countryFields() {
  const names = new Intl.DisplayNames(['en'], { type: 'region' });
  const values = COUNTRIES.map((code) => [code, names.of(code)]).sort((a, b) => a[1].localeCompare(b[1]));
  const postalCode = new Field({
    name: 'postalCode', label: 'Postal code', autocomplete: 'postal-code',
    check: filled('incomplete_zip', 'Your postal code is incomplete.'),
  });
  const country = new Field({ name: 'country', label: 'Country', autocomplete: 'country', values });
  const region = new Intl.Locale(navigator.language).maximize().region;
  country.value = defaultFor('address.country') || (COUNTRIES.includes(region) ? region : 'US');
  postalCode.value = defaultFor('address.postalCode') || defaultFor('address.postal_code');
  const adapt = () => {
    const label = POSTAL_CODE_LABELS[country.value];
    postalCode.node.hidden = !label || !isCollected('address.postalCode');
    postalCode.label.textContent = label ?? 'Postal code';
  };
  country.node.hidden = !isCollected('address.country');
  country.input.addEventListener('change', () => { adapt(); changed(); });
  adapt();
  return [country, postalCode];
}

function cardMethod() {
  const cvc = new Field({
    name: 'cvc', label: 'Security code', placeholder: 'CVC', inputmode: 'numeric', autocomplete: 'cc-csc',
    format: (text) => extractDigits(text).slice(0, findBrand(extractDigits(number.value)).cvc),
    check: (value) => (value.length < findBrand(extractDigits(number.value)).cvc
      ? incomplete('incomplete_cvc', 'Your card\u2019s security code is incomplete.') : null),
  });
  const expiry = new Field({
    name: 'expiry', label: 'Expiration date', placeholder: 'MM / YY', inputmode: 'numeric', autocomplete: 'cc-exp',
    format: formatExpiry, check: checkExpiry, onComplete: () => cvc.input.focus(),
  });
  const number = new Field({
    name: 'number', label: 'Card number', placeholder: '1234 1234 1234 1234', inputmode: 'numeric',
    autocomplete: 'cc-number', dir: 'ltr', format: formatNumber, check: checkNumber,
    onComplete: () => expiry.input.focus(),
  });
  const showBrand = () => { number.slot.textContent = findBrand(extractDigits(number.value)).brand; };
  number.input.addEventListener('input', showBrand);
  return new Method('card', 'Card', [number, expiry, cvc, ...countryFields()]);
}

function holderFields() {
  const name = new Field({
    name: 'name', label: 'Full name', autocomplete: 'name', placeholder: 'First and last name',
    check: filled('incomplete_name', 'Please provide your full name.'),
  });
  const email = new Field({
    name: 'email', label: 'Email', type: 'email', autocomplete: 'email', inputmode: 'email',
    placeholder: 'you@example.com',
    check: (value) => (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value) ? null
      : incomplete('incomplete_email', 'Your email address is incomplete.')),
  });
  name.value = defaultFor('name');
  email.value = defaultFor('email');
  name.node.hidden = !isCollected('name');
  email.node.hidden = !isCollected('email');
  return [email, name];
}

function sepaMethod() {
  const iban = new Field({
    name: 'iban', label: 'IBAN', placeholder: 'DE00 0000 0000 0000 0000 00', autocomplete: 'off', format: formatIban,
    check: checkIban,
  });
  const method = new Method('sepa_debit', 'SEPA debit', [...holderFields(), iban]);
  const business = config.options?.business?.name ?? 'this shop';
  if (config.options?.terms?.sepaDebit !== 'never') {
    method.terms = `By providing your IBAN and confirming this payment, you authorize ${business} and Stripe, our `
      + 'payment service provider, to send instructions to your bank to debit your account, and your bank to debit '
      + 'your account in accordance with those instructions. You are entitled to a refund from your bank within '
      + '8 weeks. (Test mode: nothing is debited.)';
  }
  return method;
}

function usAccountMethod() {
  const digits = (length) => (text) => extractDigits(text).slice(0, length);
  const routing = new Field({
    name: 'routing', label: 'Routing number', placeholder: '110000000', inputmode: 'numeric', autocomplete: 'off',
    format: digits(9),
    check: (value) => (value.length < 9 ? incomplete('incomplete_routing', 'Your routing number is incomplete.') : null),
  });
  const account = new Field({
    name: 'account', label: 'Account number', placeholder: '000123456789', inputmode: 'numeric', autocomplete: 'off',
    format: digits(17),
    check: (value) => (value.length < 4 ? incomplete('incomplete_account', 'Your account number is incomplete.') : null),
  });
  return new Method('us_bank_account', 'US bank account', [...holderFields(), routing, account]);
}

const METHODS = { card: cardMethod, sepa_debit: sepaMethod, us_bank_account: usAccountMethod };

const HINTS = {
  card: ['Test mode: pay with ', '4242 4242 4242 4242', ', any future date and any code. Never enter a real card.'],
  sepa_debit: ['Test mode: use the IBAN ', 'AT61 1904 3002 3457 3201', '. Never enter a real one.'],
  us_bank_account: ['Test mode: routing number ', '110000000', ', account 000123456789. Never enter real ones.'],
};

/** The options from `init` and `update`. */
let config = {};
let api = null;
let methods = [];
let selected = null;
let lastChange = '';
const form = document.querySelector('form');
form.addEventListener('submit', (event) => event.preventDefault());

function changed() {
  if (!selected) return;
  const value = {
    empty: selected.isEmpty, complete: selected.isComplete, collapsed: false, value: { type: selected.type },
  };
  const text = JSON.stringify(value);
  if (text !== lastChange) postToParent('change', value);
  lastChange = text;
}

function select(method) {
  selected = method;
  for (const one of methods) {
    const isSelected = one === method;
    one.tab.setAttribute('aria-selected', String(isSelected));
    one.tab.tabIndex = isSelected ? 0 : -1;
    one.tab.classList.toggle('Tab--selected', isSelected);
    one.panel.hidden = !isSelected;
  }
  changed();
}

/** Moves between tabs with the arrow keys, as the ARIA tabs pattern specifies. */
function onTabKey(event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = methods[(methods.indexOf(selected) + step + methods.length) % methods.length];
  select(next);
  next.tab.focus();
}

function createPanel(method) {
  const [before, number, after] = HINTS[method.type];
  return createNode('div', { id: `panel-${method.type}`, class: 'Panel', role: 'tabpanel', 'aria-label': method.title },
    createNode('div', { class: 'Grid' }, ...method.fields.map((field) => field.node)),
    method.terms ? createNode('p', { class: 'TermsText' }, method.terms) : null,
    createNode('p', { class: 'TestHint' }, before, createNode('b', {}, number), after));
}

function build(types) {
  const order = config.options?.paymentMethodOrder ?? [];
  const rank = (type) => (order.includes(type) ? order.indexOf(type) : order.length);
  methods = types.filter((type) => METHODS[type]).sort((a, b) => rank(a) - rank(b)).map((type) => METHODS[type]());
  const layout = config.options?.layout?.type ?? config.options?.layout ?? 'tabs';
  form.classList.toggle('PaymentElement--accordion', layout === 'accordion');
  for (const method of methods) {
    method.panel = createPanel(method);
    method.tab = createNode('button', {
      type: 'button', class: `Tab Tab--${method.type}`, role: 'tab', 'aria-controls': method.panel.id, value: method.type,
      onclick: () => select(method), onkeydown: onTabKey,
    }, createNode('span', { class: 'TabIcon', 'aria-hidden': 'true' }), createNode('span', { class: 'TabLabel' }, method.title));
  }
  const list = createNode('div', { class: 'TabList', role: 'tablist', 'aria-label': 'Payment method' });
  list.hidden = methods.length < 2;
  const fieldset = createNode('fieldset', {}, list);
  if (layout === 'accordion') {
    list.append(...methods.flatMap((method) => [method.tab, method.panel]));
  } else {
    list.append(...methods.map((method) => method.tab));
    fieldset.append(...methods.map((method) => method.panel));
  }
  form.replaceChildren(fieldset);
  form.hidden = false;
  select(methods[0]);
}

/** Applies the theme, variables and rules. Ignores URLs and invalid selectors. */
function applyAppearance({ theme = 'stripe', variables = {}, rules = {}, labels } = {}) {
  const root = document.documentElement;
  root.removeAttribute('style');
  const values = { ...THEMES.stripe, ...THEMES[theme], ...variables };
  for (const [name, value] of Object.entries(values)) {
    if (/^[A-Za-z0-9]+$/.test(name) && !/url\(/i.test(value)) root.style.setProperty(`--${name}`, String(value));
  }
  root.dataset.theme = theme;
  root.dataset.labels = labels === 'floating' ? 'floating' : 'above';
  document.querySelector('style')?.remove();
  const { sheet } = document.head.appendChild(createNode('style'));
  for (const [selector, declarations] of Object.entries(rules)) {
    if (!/^\.[A-Za-z]+(--[A-Za-z]+)?(::?[a-z-]+)*$/.test(selector)) continue;
    const { style } = sheet.cssRules[sheet.insertRule(`${selector} {}`, sheet.cssRules.length)];
    for (const [name, value] of Object.entries(declarations)) {
      const property = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      if (!/url\(/i.test(value)) style.setProperty(property, String(value));
    }
  }
}

function loadFonts(fonts = []) {
  for (const { cssSrc, family, src, ...descriptors } of fonts) {
    if (cssSrc) document.head.append(createNode('link', { rel: 'stylesheet', href: cssSrc }));
    else if (family && src) new FontFace(family, src, descriptors).load().then((face) => document.fonts.add(face), () => {});
  }
}

async function init(given) {
  config = given;
  api = new PublishableApi(config.base, config.key, config.account);
  applyAppearance(config.appearance);
  loadFonts(config.fonts);
  let types = config.deferred?.types;
  if (config.deferred) {
    const debit = { eur: ['sepa_debit'], usd: ['us_bank_account'] }[config.deferred.currency] ?? [];
    types ??= ['card', ...debit];
  } else {
    const { error, value } = await api.retrievePaymentIntent(config.clientSecret);
    const isOver = value && ['succeeded', 'canceled', 'processing', 'requires_capture'].includes(value.status);
    if (error || isOver) {
      const message = 'PaymentIntent is in a terminal state and cannot be used to initialize Elements.';
      const code = 'payment_intent_unexpected_state';
      postToParent('loaderror', { error: error ?? { type: 'invalid_request_error', code, message, payment_intent: value } });
      return;
    }
    types = value.payment_method_types;
  }
  build(types);
  postToParent('ready', {});
}

function update(given) {
  config = { ...config, ...given };
  applyAppearance(config.appearance);
}

/** Returns the billing details that the customer has entered. */
function billingDetails(given = {}) {
  const typed = { name: selected.value('name'), email: selected.value('email') };
  const address = { country: selected.value('country'), postal_code: selected.value('postalCode') };
  return { ...typed, ...given, address: { ...address, ...given.address } };
}

/** Returns an integration error if neither the form nor the page collects a required detail. */
function missingDetail(given = {}) {
  const needed = selected.type === 'card' ? ['address.country', 'address.postalCode'] : ['name', 'email'];
  for (const path of needed) {
    const name = path.replace('postalCode', 'postal_code');
    const value = name.split('.').reduce((part, key) => part?.[key], given);
    if (!isCollected(path) && value === undefined) {
      return `You specified "never" for fields.billing_details.${name} when creating the payment Element, but did not `
        + `pass confirmParams.payment_method_data.billing_details.${name} when calling stripe.confirmPayment. If you `
        + 'opt out of collecting data via the payment Element using the fields option, the data must be passed in when '
        + 'calling stripe.confirmPayment.';
    }
  }
  return null;
}

function methodData(given = {}) {
  const data = { type: selected.type, billing_details: billingDetails(given.billing_details) };
  if (given.metadata) data.metadata = given.metadata;
  if (given.allow_redisplay) data.allow_redisplay = given.allow_redisplay;
  if (selected.type === 'card') {
    const expiry = extractDigits(selected.value('expiry'));
    data.card = {
      number: extractDigits(selected.value('number')),
      exp_month: Number(expiry.slice(0, 2)),
      exp_year: 2000 + Number(expiry.slice(2)),
      cvc: selected.value('cvc'),
    };
  } else if (selected.type === 'sepa_debit') {
    data.sepa_debit = { iban: selected.value('iban').replace(/\s/g, '') };
  } else {
    data.us_bank_account = {
      account_holder_type: 'individual',
      routing_number: selected.value('routing'),
      account_number: selected.value('account'),
    };
  }
  return data;
}

/** Returns the field that an API error refers to. */
function findField({ param = '', code }) {
  const by = [[/iban/, 'iban'], [/routing/, 'routing'], [/account_number/, 'account'], [/cvc/, 'cvc'], [/exp_/, 'expiry'],
    [/number/, 'number']];
  const name = by.find(([pattern]) => pattern.test(param))?.[1] ?? { incorrect_cvc: 'cvc', expired_card: 'expiry' }[code];
  return selected.field(name ?? 'number') ?? selected.field('iban');
}

/** Disables the form during `work`, and shows a resulting error at its field. */
async function whileBusy(work) {
  const fieldset = form.querySelector('fieldset');
  fieldset.disabled = true;
  const result = await work();
  fieldset.disabled = false;
  const isFieldError = result.error && (result.error.type === 'card_error' || result.error.param);
  if (isFieldError) findField(result.error)?.show({ message: result.error.message });
  return result;
}

async function confirm({ clientSecret, confirmParams, staysOnPage }) {
  const error = selected ? selected.validate() : { type: 'validation_error', message: 'The form has not loaded.' };
  if (error) return { error };
  const { payment_method_data: given, ...params } = confirmParams;
  const integrationError = missingDetail(given?.billing_details);
  if (integrationError) return { integrationError };
  if (config.deferred) {
    const { error: unknown, value } = await api.retrievePaymentIntent(clientSecret);
    if (unknown) return { error: unknown };
    const { amount, currency } = config.deferred;
    if (value.amount !== amount || value.currency !== currency) {
      const message = `The payment details in Elements (${amount} ${currency}) do not match the PaymentIntent `
        + `(${value.amount} ${value.currency}).`;
      return { error: { type: 'invalid_request_error', code: 'payment_intent_incompatible', message } };
    }
  }
  const isDebit = selected.type !== 'card';
  const mandate = isDebit && { customer_acceptance: { type: 'online', online: { infer_from_client: true } } };
  return whileBusy(() => api.confirmPaymentIntent(clientSecret, {
    ...params,
    payment_method_data: methodData(given),
    expected_payment_method_type: selected.type,
    use_stripe_sdk: staysOnPage,
    ...(mandate ? { mandate_data: mandate } : {}),
  }));
}

/** Requests of the parent page. Each returns `{ value }`, `{ error }` or `{ integrationError }`. */
const REQUEST_HANDLERS = {
  submit: () => {
    const error = selected ? selected.validate() : { type: 'validation_error', message: 'The form has not loaded.' };
    return error ? { error } : { value: { type: selected.type } };
  },
  confirm,
  createPaymentMethod: (params) => {
    const error = selected.validate();
    return error ? { error } : whileBusy(() => api.createPaymentMethod(methodData(params)));
  },
  fetchUpdates: async () => (config.deferred ? { value: {} } : api.retrievePaymentIntent(config.clientSecret)),
};

/** Commands of the parent page, without a result. */
const COMMAND_HANDLERS = {
  init,
  update,
  focus: () => selected?.fields.find((field) => field.isShown)?.input.focus(),
  blur: () => document.activeElement?.blur(),
  clear: () => {
    for (const field of methods.flatMap((method) => method.fields)) {
      if (field.input.tagName !== 'SELECT') field.value = '';
      field.show(null);
    }
    changed();
  },
};

window.addEventListener('message', async (event) => {
  if (event.source !== window.parent || event.data?.quittanceSandbox !== true) return;
  if (event.origin !== PARENT_ORIGIN && PARENT_ORIGIN !== 'null') return;
  const { type, value, call } = event.data;
  if (COMMAND_HANDLERS[type]) COMMAND_HANDLERS[type](value);
  else if (REQUEST_HANDLERS[type]) postToParent('result', await REQUEST_HANDLERS[type](value), call);
});
form.addEventListener('focusin', () => postToParent('focus', {}));
form.addEventListener('focusout', (event) => {
  if (!event.relatedTarget) postToParent('blur', {});
});
form.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') postToParent('escape', {});
});
new ResizeObserver(() => postToParent('height', form.getBoundingClientRect().height)).observe(form);
postToParent('loaded');
