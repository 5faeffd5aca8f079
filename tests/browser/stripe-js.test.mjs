// The sandbox's Stripe.js, in a page written for Stripe's own Stripe.js.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CARDS, closeCustomer, newCustomer, paymentForm, screenshot, servePage, startBrowser, startService, stripe, typeCard,
} from './support.mjs';

let service;
let chromium;
let shop;

const shopPage = (stripeJs) => `<!doctype html><html lang="en"><title>A shop</title>
<meta name="viewport" content="width=device-width">
<style>body { max-width: 30rem; margin: 2rem auto; font-family: sans-serif; }</style>
<h1>A shop</h1><div id="payment"></div><script src="${stripeJs}"></script>`;

before(async () => {
  service = await startService();
  chromium = await startBrowser();
  shop = await servePage(shopPage(`${service.sandbox}/v3/`));
});
after(async () => {
  await chromium?.stop();
  shop?.stop();
  await service?.stop();
});

const createIntent = (params = {}) => stripe(service, 'POST', '/v1/payment_intents', {
  amount: 2499, currency: 'eur', 'automatic_payment_methods[enabled]': true, ...params,
});

/** Opens the shop's page as a new customer, and mounts a Payment Element for a new PaymentIntent. */
async function openShop({ params, elementsOptions = {}, elementOptions = {}, customerOptions = {} } = {}) {
  const intent = await createIntent(params);
  const customer = await newCustomer(chromium.browser, customerOptions);
  await customer.page.goto(shop.url);
  await customer.page.evaluate(async ({ clientSecret, elementsOptions, elementOptions }) => {
    window.stripe = window.Stripe('pk_test_sandbox');
    window.elements = window.stripe.elements({ clientSecret, ...elementsOptions });
    const element = window.elements.create('payment', elementOptions);
    window.changes = [];
    element.on('change', (event) => window.changes.push(event));
    const ready = new Promise((resolve) => { element.on('ready', resolve); });
    element.mount('#payment');
    await ready;
  }, { clientSecret: intent.client_secret, elementsOptions, elementOptions });
  return { customer, page: customer.page, frame: paymentForm(customer.page), intent };
}

const confirm = (page, options) => page.evaluate(async (given) => {
  try {
    return await window.stripe.confirmPayment({ elements: window.elements, ...given });
  } catch (error) {
    return { thrown: `${error.name}: ${error.message}` };
  }
}, options);

/** Confirms the payment without a redirect. */
const confirmInPage = (page, options = {}) => confirm(page, { redirect: 'if_required', ...options });

const bankDialog = (page) => page.frameLocator('iframe[title="3D Secure authentication"]');

test('card fields have autocomplete tokens', async () => {
  const { customer, frame } = await openShop();

  for (const [label, token] of [
    ['Card number', 'cc-number'], ['Expiration date', 'cc-exp'], ['Security code', 'cc-csc'], ['Country', 'country'],
  ]) {
    assert.equal(await frame.getByLabel(label, { exact: true }).getAttribute('autocomplete'), token);
  }
  await closeCustomer(customer);
});

test('the form warns against entering a real card', async () => {
  const { customer, page, frame } = await openShop();

  assert.equal(await frame.getByText('Never enter a real card').first().isVisible(), true);
  await screenshot(page, 'element-empty');
  await closeCustomer(customer);
});

test('typed card details are formatted', async () => {
  const { customer, page, frame } = await openShop();

  await typeCard(page, CARDS.success);

  assert.equal(await frame.getByLabel('Card number').inputValue(), '4242 4242 4242 4242');
  assert.equal(await frame.getByLabel('Expiration date').inputValue(), '12 / 30');
  await screenshot(page, 'element-filled');
  await closeCustomer(customer);
});

test('a complete form sends a change event', async () => {
  const { customer, page } = await openShop();

  await typeCard(page, CARDS.success);

  const last = await page.waitForFunction(() => window.changes.at(-1)?.complete && window.changes.at(-1));
  assert.deepEqual(await last.jsonValue(), {
    elementType: 'payment', empty: false, complete: true, collapsed: false, value: { type: 'card' },
  });
  await closeCustomer(customer);
});

test('a confirmed card payment succeeds and returns only public fields', async () => {
  const { customer, page } = await openShop();
  await typeCard(page, CARDS.success);

  const result = await confirmInPage(page);

  assert.equal(result.paymentIntent.status, 'succeeded', JSON.stringify(result));
  assert.equal(result.paymentIntent.metadata, undefined);
  await closeCustomer(customer);
});

test('retrievePaymentIntent returns the current status', async () => {
  const { customer, page, intent } = await openShop();
  await typeCard(page, CARDS.success);
  await confirmInPage(page);

  const result = await page.evaluate((secret) => window.stripe.retrievePaymentIntent(secret), intent.client_secret);

  assert.equal(result.paymentIntent.status, 'succeeded');
  await closeCustomer(customer);
});

test('the page never contains the card number', async () => {
  const { customer, page } = await openShop();
  await typeCard(page, CARDS.success);

  await confirmInPage(page);

  assert.doesNotMatch(await page.content(), /4242[ ]?4242/);
  await closeCustomer(customer);
});

test('confirmPayment redirects to the return URL by default', async () => {
  const { customer, page, intent } = await openShop();
  await typeCard(page, CARDS.success);
  const redirected = page.waitForURL(/payment_intent_client_secret/);

  confirm(page, { confirmParams: { return_url: `${shop.url}/done?order=7` } }).catch(() => {});

  await redirected;
  const { pathname, searchParams } = new URL(page.url());
  assert.equal(pathname, '/done');
  assert.deepEqual(Object.fromEntries(searchParams), {
    order: '7', payment_intent: intent.id, payment_intent_client_secret: intent.client_secret, redirect_status: 'succeeded',
  });
  await closeCustomer(customer);
});

test('submitting an empty form returns and shows an error', async () => {
  const { customer, page, frame } = await openShop();

  const result = await page.evaluate(() => window.elements.submit());

  assert.deepEqual(result, {
    error: { type: 'validation_error', code: 'incomplete_number', message: 'Your card number is incomplete.' },
  });
  await frame.getByText('Your card number is incomplete.').waitFor();
  await screenshot(page, 'element-errors');
  assert.equal(await frame.getByLabel('Card number').getAttribute('aria-invalid'), 'true');
  await closeCustomer(customer);
});

test('an expired card is marked', async () => {
  const { customer, page, frame } = await openShop();

  await typeCard(page, CARDS.success, { expiry: '0120' });

  await frame.getByText('Your card’s expiration year is in the past.').waitFor();
  await closeCustomer(customer);
});

test('a real card number is refused and never sent', async () => {
  const { customer, page, frame } = await openShop();
  const bodies = [];
  page.on('request', (request) => bodies.push(request.postData() ?? ''));
  await typeCard(page, '4539148803436467');
  await frame.getByText('Real cards are refused').waitFor();

  const { error } = await confirmInPage(page);

  assert.equal(error.code, 'invalid_number');
  assert.ok(!bodies.some((body) => body.includes('4539148803436467')));
  await closeCustomer(customer);
});

test('a decline returns and shows an error with its PaymentIntent', async () => {
  const { customer, page, frame } = await openShop();
  await typeCard(page, CARDS.declined);

  const { error } = await confirmInPage(page);

  assert.deepEqual(
    [error.type, error.code, error.decline_code, error.payment_intent.status],
    ['card_error', 'card_declined', 'insufficient_funds', 'requires_payment_method'],
  );
  assert.equal(error.payment_intent.metadata, undefined);
  await frame.getByText('Your card has insufficient funds.').waitFor();
  await screenshot(page, 'element-declined');
  await closeCustomer(customer);
});

test('another card can pay after a decline', async () => {
  const { customer, page } = await openShop();
  await typeCard(page, CARDS.declined);
  await confirmInPage(page);

  await typeCard(page, CARDS.success);

  assert.equal((await confirmInPage(page)).paymentIntent.status, 'succeeded');
  await closeCustomer(customer);
});

test('completed 3D Secure in a dialog confirms the payment', async () => {
  const { customer, page } = await openShop();
  await typeCard(page, CARDS.threeDSecure);
  const result = confirmInPage(page);
  const button = bankDialog(page).getByRole('button', { name: 'Complete authentication' });
  await button.waitFor();
  await screenshot(page, 'three-d-secure-dialog');

  await button.click();

  assert.equal((await result).paymentIntent.status, 'succeeded');
  assert.equal(await page.locator('dialog').count(), 0);
  await closeCustomer(customer);
});

test('failed 3D Secure in a dialog returns an error', async () => {
  const { customer, page } = await openShop();
  await typeCard(page, CARDS.threeDSecure);
  const result = confirmInPage(page);

  await bankDialog(page).getByRole('button', { name: 'Fail authentication' }).click();

  const { paymentIntent, error } = await result;
  assert.equal(paymentIntent, undefined);
  assert.equal(error.code, 'payment_intent_authentication_failure');
  assert.equal(await page.locator('dialog').count(), 0);
  await closeCustomer(customer);
});

test('3D Secure by redirect returns to the return URL', async () => {
  const { customer, page } = await openShop();
  await typeCard(page, CARDS.threeDSecure);
  confirm(page, { confirmParams: { return_url: `${shop.url}/done` } }).catch(() => {});

  await page.getByRole('button', { name: 'Complete authentication' }).click();

  await page.waitForURL(/redirect_status=succeeded/);
  await closeCustomer(customer);
});

test('handleNextAction completes a payment that the server confirmed', async () => {
  const { customer, page } = await openShop();
  const intent = await createIntent({
    confirm: true, payment_method: 'pm_card_authenticationRequired', use_stripe_sdk: true, return_url: shop.url,
  });

  const result = page.evaluate((clientSecret) => window.stripe.handleNextAction({ clientSecret }), intent.client_secret);
  await page.frameLocator('dialog iframe').getByRole('button', { name: 'Complete authentication' }).click();

  assert.equal((await result).paymentIntent.status, 'succeeded');
  await closeCustomer(customer);
});

/** Opens a form without billing details, and fills in a bank debit with the keyboard. */
async function openDebitForm() {
  const opened = await openShop({ elementOptions: { fields: { billingDetails: 'never' } } });
  await opened.frame.getByRole('tab', { name: 'Card' }).press('ArrowRight');
  await opened.frame.getByLabel('IBAN').fill('AT611904300234573201');
  return opened;
}

test('a bank debit without required billing details throws', async () => {
  const { customer, page } = await openDebitForm();
  await screenshot(page, 'element-debit');

  const { thrown } = await confirmInPage(page);

  assert.match(thrown, /IntegrationError: You specified "never" for fields.billing_details.name/);
  await closeCustomer(customer);
});

test('a bank debit with the page’s billing details is processing', async () => {
  const { customer, page } = await openDebitForm();
  const details = { name: 'Ada Lovelace', email: 'ada@example.com' };

  const result = await confirmInPage(page, { confirmParams: { payment_method_data: { billing_details: details } } });

  assert.equal(result.paymentIntent.status, 'processing', JSON.stringify(result));
  await closeCustomer(customer);
});

/** Confirms a PaymentIntent with an existing payment method and without a form. */
const confirmWithPaymentMethod = (page, intent) => page.evaluate((clientSecret) => window.stripe.confirmPayment({
  clientSecret,
  confirmParams: {
    payment_method: 'pm_card_visa',
    receipt_email: 'ada@example.com',
    shipping: { name: 'Ada', address: { line1: 'High Street 1', country: 'GB' } },
  },
  redirect: 'if_required',
}), intent.client_secret);

test('an existing payment method pays without a form', async () => {
  const { customer, page, intent } = await openShop();

  const result = await confirmWithPaymentMethod(page, intent);

  assert.equal(result.paymentIntent.status, 'succeeded', JSON.stringify(result));
  assert.equal(result.paymentIntent.receipt_email, 'ada@example.com');
  assert.equal(result.paymentIntent.shipping.name, 'Ada');
  await closeCustomer(customer);
});

test('an empty form of a paid PaymentIntent returns a validation error', async () => {
  const { customer, page, intent } = await openShop();
  await confirmWithPaymentMethod(page, intent);

  const { error } = await confirmInPage(page);

  assert.equal(error.type, 'validation_error');
  await closeCustomer(customer);
});

/** Creates a connected account with a direct charge. */
async function createDirectCharge() {
  const { id } = await stripe(service, 'POST', '/_sandbox/accounts', { country: 'DE' });
  const params = { amount: 2499, currency: 'eur', application_fee_amount: 250, 'allowed_payment_method_types[]': 'card' };
  return { id, intent: await stripe(service, 'POST', '/v1/payment_intents', params, id) };
}

test('a PaymentIntent is visible only on its account', async () => {
  const { id, intent } = await createDirectCharge();
  const { customer, page, intent: platformIntent } = await openShop();

  for (const [account, secret, code] of [
    ['acct_other', platformIntent.client_secret, 'account_invalid'],
    [id, platformIntent.client_secret, 'resource_missing'],
    [undefined, intent.client_secret, 'resource_missing'],
  ]) {
    const { error } = await page.evaluate(
      ([stripeAccount, given]) => window.Stripe('pk_test_sandbox', { stripeAccount }).retrievePaymentIntent(given),
      [account, secret],
    );
    assert.equal(error.code, code);
  }
  await closeCustomer(customer);
});

/** Opens the shop's page and mounts a Payment Element for an account. Returns `ready` or an error code. */
async function mountForAccount(page, intent, stripeAccount) {
  await page.goto(shop.url);
  return page.evaluate(async ([clientSecret, account]) => {
    window.stripe = window.Stripe('pk_test_sandbox', { stripeAccount: account });
    window.elements = window.stripe.elements({ clientSecret });
    const element = window.elements.create('payment');
    const outcome = new Promise((resolve) => {
      element.on('ready', () => resolve('ready'));
      element.on('loaderror', ({ error }) => resolve(error.code));
    });
    element.mount('#payment');
    return outcome;
  }, [intent.client_secret, stripeAccount]);
}

test('a direct charge’s form without its account fails to load', async () => {
  const { intent } = await createDirectCharge();
  const customer = await newCustomer(chromium.browser);

  const outcome = await mountForAccount(customer.page, intent, undefined);

  assert.equal(outcome, 'resource_missing');
  await closeCustomer(customer);
});

test('a direct charge with 3D Secure collects the platform’s fee', async () => {
  const { id, intent } = await createDirectCharge();
  const customer = await newCustomer(chromium.browser);
  const { page } = customer;
  assert.equal(await mountForAccount(page, intent, id), 'ready');
  await typeCard(page, CARDS.threeDSecure);

  const result = confirmInPage(page);
  await bankDialog(page).getByRole('button', { name: 'Complete authentication' }).click();

  assert.equal((await result).paymentIntent.status, 'succeeded');
  const fees = await stripe(service, 'GET', '/v1/application_fees');
  assert.deepEqual([fees.data[0].account, fees.data[0].amount], [id, 250]);
  await closeCustomer(customer);
});

/** Mounts a form without a PaymentIntent, and fills in a card. */
async function openDeferredForm() {
  const customer = await newCustomer(chromium.browser);
  await customer.page.goto(shop.url);
  await customer.page.evaluate(async () => {
    window.stripe = window.Stripe('pk_test_sandbox');
    window.elements = window.stripe.elements({ mode: 'payment', amount: 2499, currency: 'eur' });
    window.elements.create('payment').mount('#payment');
  });
  await typeCard(customer.page, CARDS.success);
  return { customer, page: customer.page };
}

const submit = (page) => page.evaluate(() => window.elements.submit());

test('a form without a PaymentIntent must be submitted before the confirmation', async () => {
  const { customer, page } = await openDeferredForm();
  const { client_secret: clientSecret } = await createIntent();

  const { thrown } = await confirmInPage(page, { clientSecret });

  assert.match(thrown, /elements.submit\(\) must be called/);
  await closeCustomer(customer);
});

test('a form without a PaymentIntent rejects one with another amount', async () => {
  const { customer, page } = await openDeferredForm();
  const { client_secret: clientSecret } = await createIntent({ amount: 100 });
  await submit(page);

  const { error } = await confirmInPage(page, { clientSecret });

  assert.match(error.message, /do not match/);
  await closeCustomer(customer);
});

test('a submitted form without a PaymentIntent pays one that is created later', async () => {
  const { customer, page } = await openDeferredForm();
  assert.deepEqual(await submit(page), { selectedPaymentMethod: 'card' });
  const { client_secret: clientSecret } = await createIntent();

  const { paymentIntent } = await confirmInPage(page, { clientSecret });

  assert.equal(paymentIntent.status, 'succeeded');
  await closeCustomer(customer);
});

test('appearance, layout, and default values apply to the form', async () => {
  const { customer, page, frame } = await openShop({
    customerOptions: { viewport: { width: 360, height: 740 } },
    elementsOptions: {
      appearance: {
        theme: 'night', variables: { colorPrimary: '#ff8800', borderRadius: '14px' }, rules: { '.Label': { fontWeight: '700' } },
      },
    },
    elementOptions: { layout: 'accordion', defaultValues: { billingDetails: { address: { country: 'US' } } } },
  });

  const number = frame.getByLabel('Card number');
  assert.equal(await number.evaluate((node) => getComputedStyle(node).borderRadius), '14px');
  const label = frame.getByText('Card number', { exact: true });
  assert.equal(await label.evaluate((node) => getComputedStyle(node).fontWeight), '700');
  await frame.getByLabel('ZIP code').waitFor();
  await screenshot(page, 'element-phone-night', { isFullPage: true });
  await closeCustomer(customer);
});

test('the frame is as high as the form', async () => {
  const { customer, frame } = await openShop({ customerOptions: { viewport: { width: 360, height: 740 } } });

  const number = frame.getByLabel('Card number');

  assert.equal(await number.evaluate(() => document.documentElement.scrollHeight > window.innerHeight + 8), false);
  await closeCustomer(customer);
});

test('mistakes in the page’s code throw', async () => {
  const { customer, page } = await openShop();
  const thrown = (text) => page.evaluate(async (code) => {
    try { await Function(`return (async () => (${code}))()`)(); } catch (error) { return error.message; }
    return null;
  }, text);

  for (const [code, message] of [
    ["Stripe('sk_test_x')", /should not use your secret key/],
    ["Stripe('pk_live_x')", /accepts publishable test keys/],
    ["stripe.elements({ clientSecret: 'nonsense' })", /should be a client secret/],
    ["elements.create('payment')", /Can only create one Element/],
    ["elements.create('iban')", /Payment Element/],
    ['stripe.confirmPayment({ elements })', /confirmParams.return_url/],
    ["stripe.elements({ clientSecret: 'pi_1_secret_2' }).create('payment').mount('#nowhere')", /applies to no DOM elements/],
    ["stripe.retrievePaymentIntent('pi_1')", /client secret/],
  ]) {
    assert.match(await thrown(code), message);
  }
  await closeCustomer(customer);
});

test('a form for a canceled PaymentIntent fails to load', async () => {
  const { customer, page, intent } = await openShop();
  await stripe(service, 'POST', `/v1/payment_intents/${intent.id}/cancel`);

  const failure = await page.evaluate(async (clientSecret) => {
    window.elements.getElement('payment').destroy();
    const element = window.stripe.elements({ clientSecret }).create('payment');
    const failed = new Promise((resolve) => { element.on('loaderror', resolve); });
    element.mount(document.querySelector('#payment'));
    return failed;
  }, intent.client_secret);

  assert.equal(failure.elementType, 'payment');
  assert.match(failure.error.message, /terminal state/);
  await closeCustomer(customer);
});
