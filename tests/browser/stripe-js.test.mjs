// The stand-in for Stripe.js, in a page written for the real one.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CARDS, newCustomer, paymentForm, screenshot, servePage, startBrowser, startService, stripe, typeCard,
} from './support.mjs';

let service;
let chromium;
let shop;

const page = (stripeJs) => `<!doctype html><html lang="en"><title>A shop</title>
<meta name="viewport" content="width=device-width">
<style>body { max-width: 30rem; margin: 2rem auto; font-family: sans-serif; }</style>
<h1>A shop</h1><div id="payment"></div><script src="${stripeJs}"></script>`;

before(async () => {
  service = await startService();
  chromium = await startBrowser();
  shop = await servePage(page(`${service.sandbox}/v3/`));
});
after(async () => {
  await chromium?.stop();
  shop?.stop();
  await service?.stop();
});

const createIntent = (params = {}) => stripe(service, 'POST', '/v1/payment_intents', {
  amount: 2499, currency: 'eur', 'automatic_payment_methods[enabled]': true, ...params,
});

/** A customer on the shop's page, with a mounted Payment Element for a new PaymentIntent. */
async function visit({ params, elementsOptions = {}, elementOptions = {}, stripeOptions = {}, customer = {} } = {}) {
  const intent = await createIntent(params);
  const visitor = await newCustomer(chromium.browser, customer);
  await visitor.page.goto(shop.url);
  await visitor.page.evaluate(async ({ clientSecret, elementsOptions, elementOptions, stripeOptions }) => {
    window.stripe = window.Stripe('pk_test_sandbox', stripeOptions);
    window.elements = window.stripe.elements({ clientSecret, ...elementsOptions });
    const element = window.elements.create('payment', elementOptions);
    window.changes = [];
    element.on('change', (event) => window.changes.push(event));
    const ready = new Promise((resolve) => { element.on('ready', resolve); });
    element.mount('#payment');
    await ready;
  }, { clientSecret: intent.client_secret, elementsOptions, elementOptions, stripeOptions });
  return { ...visitor, intent };
}

const confirm = (page, options) => page.evaluate(async (given) => {
  try {
    return await window.stripe.confirmPayment({ elements: window.elements, ...given });
  } catch (error) {
    return { thrown: `${error.name}: ${error.message}` };
  }
}, options);

test('a card is paid in the page and the card never enters it', async () => {
  const { page, context, outside, intent } = await visit();
  const frame = paymentForm(page);
  for (const [label, token] of [
    ['Card number', 'cc-number'], ['Expiration date', 'cc-exp'], ['Security code', 'cc-csc'], ['Country', 'country'],
  ]) {
    assert.equal(await frame.getByLabel(label, { exact: true }).getAttribute('autocomplete'), token);
  }
  assert.equal(await frame.getByText('Never enter a real card').first().isVisible(), true);
  await screenshot(page, 'element-empty');
  await typeCard(page, CARDS.success);
  assert.equal(await frame.getByLabel('Card number').inputValue(), '4242 4242 4242 4242');
  assert.equal(await frame.getByLabel('Expiration date').inputValue(), '12 / 30');
  await screenshot(page, 'element-filled');
  const last = await page.waitForFunction(() => window.changes.at(-1)?.complete && window.changes.at(-1));
  assert.deepEqual(await last.jsonValue(), {
    elementType: 'payment', empty: false, complete: true, collapsed: false, value: { type: 'card' },
  });
  const result = await confirm(page, { redirect: 'if_required' });
  assert.equal(result.paymentIntent.status, 'succeeded', JSON.stringify(result));
  assert.equal(result.paymentIntent.metadata, undefined, 'only the public fields are shown');
  const found = await page.evaluate((secret) => window.stripe.retrievePaymentIntent(secret), intent.client_secret);
  assert.equal(found.paymentIntent.status, 'succeeded');
  assert.doesNotMatch(await page.content(), /4242[ ]?4242/);
  assert.deepEqual(outside, []);
  await context.close();
});

test('by default the customer goes to the return URL', async () => {
  const { page, context, intent } = await visit();
  await typeCard(page, CARDS.success);
  const arrived = page.waitForURL(/payment_intent_client_secret/);
  confirm(page, { confirmParams: { return_url: `${shop.url}/done?order=7` } }).catch(() => {});
  await arrived;
  const { pathname, searchParams } = new URL(page.url());
  assert.equal(pathname, '/done');
  assert.deepEqual(Object.fromEntries(searchParams), {
    order: '7', payment_intent: intent.id, payment_intent_client_secret: intent.client_secret, redirect_status: 'succeeded',
  });
  await context.close();
});

test('what is missing is said where it is missing', async () => {
  const { page, context } = await visit();
  const frame = paymentForm(page);
  const submitted = await page.evaluate(() => window.elements.submit());
  assert.deepEqual(submitted, {
    error: { type: 'validation_error', code: 'incomplete_number', message: 'Your card number is incomplete.' },
  });
  await frame.getByText('Your card number is incomplete.').waitFor();
  await screenshot(page, 'element-errors');
  assert.equal(await frame.getByLabel('Card number').getAttribute('aria-invalid'), 'true');
  await typeCard(page, CARDS.success, { expiry: '0120' });
  await frame.getByText('Your card’s expiration year is in the past.').waitFor();
  await context.close();
});

test('a number that is no test card is refused and sent nowhere', async () => {
  const { page, context } = await visit();
  const bodies = [];
  page.on('request', (request) => bodies.push(request.postData() ?? ''));
  await typeCard(page, '4539148803436467');
  await paymentForm(page).getByText('Real cards are refused').waitFor();
  const { error } = await confirm(page, { redirect: 'if_required' });
  assert.equal(error.code, 'invalid_number');
  assert.ok(!bodies.some((body) => body.includes('4539148803436467')));
  await context.close();
});

test('a decline is an error with its PaymentIntent, and another card may follow', async () => {
  const { page, context } = await visit();
  await typeCard(page, CARDS.declined);
  const { error } = await confirm(page, { redirect: 'if_required' });
  assert.deepEqual(
    [error.type, error.code, error.decline_code, error.payment_intent.status],
    ['card_error', 'card_declined', 'insufficient_funds', 'requires_payment_method'],
  );
  assert.equal(error.payment_intent.metadata, undefined);
  await paymentForm(page).getByText('Your card has insufficient funds.').waitFor();
  await screenshot(page, 'element-declined');
  await typeCard(page, CARDS.success);
  assert.equal((await confirm(page, { redirect: 'if_required' })).paymentIntent.status, 'succeeded');
  await context.close();
});

for (const [button, status] of [['Complete authentication', 'succeeded'], ['Fail authentication', undefined]]) {
  test(`3D Secure in a dialog: ${button}`, async () => {
    const { page, context } = await visit();
    await typeCard(page, CARDS.threeDSecure);
    const result = confirm(page, { redirect: 'if_required' });
    const bank = page.frameLocator('iframe[title="3D Secure authentication"]');
    await bank.getByRole('button', { name: button }).waitFor();
    await screenshot(page, 'three-d-secure-dialog');
    await bank.getByRole('button', { name: button }).click();
    const { paymentIntent, error } = await result;
    assert.equal(paymentIntent?.status, status);
    if (!status) assert.equal(error.code, 'payment_intent_authentication_failure');
    assert.equal(await page.locator('dialog').count(), 0);
    await context.close();
  });
}

test('3D Secure by redirect comes back to the return URL', async () => {
  const { page, context } = await visit();
  await typeCard(page, CARDS.threeDSecure);
  confirm(page, { confirmParams: { return_url: `${shop.url}/done` } }).catch(() => {});
  await page.getByRole('button', { name: 'Complete authentication' }).click();
  await page.waitForURL(/redirect_status=succeeded/);
  await context.close();
});

test('an action that the shop began is carried out by handleNextAction', async () => {
  const { page, context } = await visit();
  const started = await createIntent({
    confirm: true, payment_method: 'pm_card_authenticationRequired', use_stripe_sdk: true, return_url: shop.url,
  });
  const result = page.evaluate((clientSecret) => window.stripe.handleNextAction({ clientSecret }), started.client_secret);
  await page.frameLocator('dialog iframe').getByRole('button', { name: 'Complete authentication' }).click();
  assert.equal((await result).paymentIntent.status, 'succeeded');
  await context.close();
});

test('a bank debit is processing, with the details the page has collected itself', async () => {
  const { page, context } = await visit({ elementOptions: { fields: { billingDetails: 'never' } } });
  const frame = paymentForm(page);
  await frame.getByRole('tab', { name: 'Card' }).press('ArrowRight');
  await frame.getByLabel('IBAN').fill('AT611904300234573201');
  await screenshot(page, 'element-debit');
  const without = await confirm(page, { redirect: 'if_required' });
  assert.match(without.thrown, /IntegrationError: You specified "never" for fields.billing_details.name/);
  const details = { name: 'Ada Lovelace', email: 'ada@example.com' };
  const result = await confirm(page, {
    redirect: 'if_required', confirmParams: { payment_method_data: { billing_details: details } },
  });
  assert.equal(result.paymentIntent.status, 'processing', JSON.stringify(result));
  await context.close();
});

test('a payment method that is there already needs no form', async () => {
  const { page, context, intent } = await visit();
  const result = await page.evaluate((clientSecret) => window.stripe.confirmPayment({
    clientSecret,
    confirmParams: {
      payment_method: 'pm_card_visa',
      receipt_email: 'ada@example.com',
      shipping: { name: 'Ada', address: { line1: 'High Street 1', country: 'GB' } },
    },
    redirect: 'if_required',
  }), intent.client_secret);
  assert.equal(result.paymentIntent.status, 'succeeded', JSON.stringify(result));
  assert.equal(result.paymentIntent.receipt_email, 'ada@example.com');
  assert.equal(result.paymentIntent.shipping.name, 'Ada');
  const again = await confirm(page, { redirect: 'if_required' });
  assert.equal(again.error.type, 'validation_error');
  await context.close();
});

test('connected accounts are worlds of their own', async () => {
  const { id } = await stripe(service, 'POST', '/_sandbox/accounts', { country: 'DE' });
  const params = { amount: 2499, currency: 'eur', application_fee_amount: 250, 'allowed_payment_method_types[]': 'card' };
  const intent = await stripe(service, 'POST', '/v1/payment_intents', params, id);
  const { page, context } = await newCustomer(chromium.browser);
  await page.goto(shop.url);
  const { intent: own } = await visit();
  for (const [account, secret, code] of [
    ['acct_other', own.client_secret, 'account_invalid'],
    [id, own.client_secret, 'resource_missing'],
    [undefined, intent.client_secret, 'resource_missing'],
  ]) {
    const { error } = await page.evaluate(
      ([stripeAccount, given]) => window.Stripe('pk_test_sandbox', { stripeAccount }).retrievePaymentIntent(given),
      [account, secret],
    );
    assert.equal(error.code, code);
  }
  const mount = (stripeAccount) => page.evaluate(async ([given, account]) => {
    window.stripe = window.Stripe('pk_test_sandbox', { stripeAccount: account });
    window.elements = window.stripe.elements({ clientSecret: given });
    const element = window.elements.create('payment');
    const settled = new Promise((resolve) => {
      element.on('ready', () => resolve('ready'));
      element.on('loaderror', ({ error }) => resolve(error.code));
    });
    element.mount('#payment');
    return settled;
  }, [intent.client_secret, stripeAccount]);
  assert.equal(await mount(undefined), 'resource_missing', 'without the account there is no such payment');
  assert.equal(await mount(id), 'ready');
  await typeCard(page, CARDS.threeDSecure);
  const confirmed = confirm(page, { redirect: 'if_required' });
  await page.frameLocator('iframe[title="3D Secure authentication"]')
    .getByRole('button', { name: 'Complete authentication' }).click();
  const { paymentIntent } = await confirmed;
  assert.equal(paymentIntent.status, 'succeeded');
  const fees = await stripe(service, 'GET', '/v1/application_fees');
  assert.deepEqual([fees.data[0].account, fees.data[0].amount], [id, 250]);
  await context.close();
});

test('a form can be shown before there is a PaymentIntent', async () => {
  const visitor = await newCustomer(chromium.browser);
  const { page } = visitor;
  await page.goto(shop.url);
  await page.evaluate(async () => {
    window.stripe = window.Stripe('pk_test_sandbox');
    window.elements = window.stripe.elements({ mode: 'payment', amount: 2499, currency: 'eur' });
    window.elements.create('payment').mount('#payment');
  });
  await typeCard(page, CARDS.success);
  const { client_secret: clientSecret } = await createIntent();
  const early = await confirm(page, { clientSecret, redirect: 'if_required' });
  assert.match(early.thrown, /elements.submit\(\) must be called/);
  assert.deepEqual(await page.evaluate(() => window.elements.submit()), { selectedPaymentMethod: 'card' });
  const { client_secret: other } = await createIntent({ amount: 100 });
  const wrong = await confirm(page, { clientSecret: other, redirect: 'if_required' });
  assert.match(wrong.error.message, /do not match/);
  assert.equal((await confirm(page, { clientSecret, redirect: 'if_required' })).paymentIntent.status, 'succeeded');
  await visitor.context.close();
});

test('appearance, accordion and a phone', async () => {
  const { page, context } = await visit({
    customer: { viewport: { width: 360, height: 740 } },
    elementsOptions: {
      appearance: {
        theme: 'night', variables: { colorPrimary: '#ff8800', borderRadius: '14px' }, rules: { '.Label': { fontWeight: '700' } },
      },
    },
    elementOptions: { layout: 'accordion', defaultValues: { billingDetails: { address: { country: 'US' } } } },
  });
  const number = paymentForm(page).getByLabel('Card number');
  assert.equal(await number.evaluate((node) => getComputedStyle(node).borderRadius), '14px');
  await paymentForm(page).getByLabel('ZIP code').waitFor();
  const label = paymentForm(page).getByText('Card number', { exact: true });
  assert.equal(await label.evaluate((node) => getComputedStyle(node).fontWeight), '700');
  const isCutOff = await number.evaluate(() => document.documentElement.scrollHeight > window.innerHeight + 8);
  assert.equal(isCutOff, false, 'the frame is as high as the form');
  await screenshot(page, 'element-phone-night', { isWhole: true });
  await context.close();
});

test('mistakes of the page are thrown, and a PaymentIntent that is over is a load error', async () => {
  const { page, context, intent } = await visit();
  const thrown = (text) => page.evaluate(async (code) => {
    // A page's own code, by text, so that one table holds all mistakes.
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
  await stripe(service, 'POST', `/v1/payment_intents/${intent.id}/cancel`);
  const failed = await page.evaluate(async (clientSecret) => {
    window.elements.getElement('payment').destroy();
    const element = window.stripe.elements({ clientSecret }).create('payment');
    const failure = new Promise((resolve) => { element.on('loaderror', resolve); });
    element.mount(document.querySelector('#payment'));
    return failure;
  }, intent.client_secret);
  assert.equal(failed.elementType, 'payment');
  assert.match(failed.error.message, /terminal state/);
  await context.close();
});
