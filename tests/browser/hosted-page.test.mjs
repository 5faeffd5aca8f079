// The sandbox's hosted Checkout page, as customers see it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CARDS, closeCustomer, hasHorizontalScroll, newCustomer, paymentForm, screenshot, servePage, startBrowser, startService, stripe,
  typeCard,
} from './support.mjs';

let service;
let chromium;
let shop;

before(async () => {
  service = await startService();
  chromium = await startBrowser();
  shop = await servePage('<!doctype html><html lang="en"><title>A shop</title><h1>A shop</h1>');
});
after(async () => {
  await chromium?.stop();
  shop?.stop();
  await service?.stop();
});

const PHONE = { viewport: { width: 375, height: 740 }, isMobile: true, hasTouch: true };
const WITH_EMAIL = { customer_email: 'ada@example.com' };

const createSession = (params = {}) => stripe(service, 'POST', '/v1/checkout/sessions', {
  mode: 'payment',
  success_url: `${shop.url}/done?session={CHECKOUT_SESSION_ID}`,
  cancel_url: `${shop.url}/cart`,
  'line_items[0][price_data][currency]': 'eur',
  'line_items[0][price_data][unit_amount]': 1250,
  'line_items[0][price_data][product_data][name]': 'Stoneware mug',
  'line_items[0][price_data][product_data][description]': 'Handmade, holds 350 ml',
  'line_items[0][quantity]': 2,
  'line_items[1][price_data][currency]': 'eur',
  'line_items[1][price_data][unit_amount]': 121500,
  'line_items[1][price_data][product_data][name]': 'Oak table',
  'line_items[1][quantity]': 1,
  ...params,
});

const readSession = (session) => stripe(service, 'GET', `/v1/checkout/sessions/${session.id}`, {
  'expand[]': 'payment_intent',
});

/** Opens the page of a new Session as a new customer, and waits for its form. */
async function openSession({ params, options } = {}) {
  const session = await createSession(params);
  const customer = await newCustomer(chromium.browser, options);
  await customer.page.goto(session.url);
  await paymentForm(customer.page).getByLabel('Card number').waitFor();
  return { customer, page: customer.page, session };
}

const payButton = (page) => page.getByRole('button', { name: 'Pay', exact: true });
const waitForSuccessPage = (page, session) => page.waitForURL(`${shop.url}/done?session=${session.id}`);
const waitForAlert = (page, text) => page.getByRole('alert').filter({ hasText: text }).waitFor();

async function pay(page, card) {
  await typeCard(page, card);
  await payButton(page).click();
}

test('a customer sees the items and pays', async () => {
  const { customer, page, session } = await openSession();
  await page.getByText('Stoneware mug').waitFor();
  await page.getByText('€1,240.00').first().waitFor();
  assert.equal(await page.getByLabel('Email').getAttribute('autocomplete'), 'email');
  await screenshot(page, 'hosted-page', { isFullPage: true });

  await page.getByLabel('Email').fill('ada@example.com');
  await pay(page, CARDS.success);

  await waitForSuccessPage(page, session);
  const paid = await readSession(session);
  assert.deepEqual([paid.status, paid.payment_status, paid.customer_details.email], ['complete', 'paid', 'ada@example.com']);
  await closeCustomer(customer);
});

test('the page of a paid Session shows that it is complete', async () => {
  const { customer, page, session } = await openSession({ params: WITH_EMAIL });
  await pay(page, CARDS.success);
  await waitForSuccessPage(page, session);

  await page.goto(session.url);

  assert.match(page.url(), /\/c\/pay\//);
  await page.getByText('This payment is complete').waitFor();
  await screenshot(page, 'hosted-page-complete');
  await closeCustomer(customer);
});

test('a missing email address is marked', async () => {
  const { customer, page } = await openSession();

  await payButton(page).click();

  await page.getByText('Your email address is incomplete.').waitFor();
  await closeCustomer(customer);
});

test('a missing card number is marked, and no payment starts', async () => {
  const { customer, page, session } = await openSession({ params: WITH_EMAIL });

  await payButton(page).click();

  await paymentForm(page).getByText('Your card number is incomplete.').waitFor();
  await payButton(page).waitFor();
  assert.equal((await readSession(session)).payment_intent, null);
  await closeCustomer(customer);
});

test('a declined card shows the reason', async () => {
  const { customer, page, session } = await openSession({ params: WITH_EMAIL });

  await pay(page, CARDS.declined);

  await waitForAlert(page, 'insufficient funds');
  await screenshot(page, 'hosted-page-declined', { isFullPage: true });
  assert.equal((await readSession(session)).payment_intent.status, 'requires_payment_method');
  await closeCustomer(customer);
});

test('a double click charges another card once after a decline', async () => {
  const { customer, page, session } = await openSession({ params: WITH_EMAIL });
  await pay(page, CARDS.declined);
  await waitForAlert(page, 'insufficient funds');

  await typeCard(page, CARDS.success);
  await payButton(page).dblclick();

  await waitForSuccessPage(page, session);
  const charges = await stripe(service, 'GET', '/v1/charges', {
    payment_intent: (await readSession(session)).payment_intent.id,
  });
  assert.deepEqual(charges.data.map(({ status }) => status), ['succeeded', 'failed']);
  await closeCustomer(customer);
});

test('failed 3D Secure authentication returns to the page', async () => {
  const { customer, page } = await openSession({ params: WITH_EMAIL });
  await pay(page, CARDS.threeDSecure);

  await page.getByRole('button', { name: 'Fail authentication' }).click();

  await waitForAlert(page, 'unable to authenticate');
  await closeCustomer(customer);
});

test('completed 3D Secure authentication redirects to the shop', async () => {
  const { customer, page, session } = await openSession({ params: WITH_EMAIL });
  await pay(page, CARDS.threeDSecure);

  await page.getByRole('button', { name: 'Complete authentication' }).click();

  await waitForSuccessPage(page, session);
  assert.equal((await readSession(session)).payment_status, 'paid');
  await closeCustomer(customer);
});

test('a bank debit completes the Session while the payment is processing', async () => {
  const { customer, page, session } = await openSession({ params: WITH_EMAIL });
  const form = paymentForm(page);
  await form.getByRole('tab', { name: 'SEPA debit' }).click();
  await form.getByLabel('Full name').fill('Ada');
  await form.getByLabel('IBAN').fill('AT321904300235473204');
  await screenshot(page, 'hosted-page-debit', { isFullPage: true });

  await payButton(page).click();

  await waitForSuccessPage(page, session);
  const { status, payment_status, payment_intent } = await readSession(session);
  assert.deepEqual([status, payment_status, payment_intent.status], ['complete', 'unpaid', 'processing']);
  await closeCustomer(customer);
});

test('the page fits a phone screen', async () => {
  const { customer, page } = await openSession({ options: PHONE });

  await screenshot(page, 'hosted-page-phone', { isFullPage: true });

  assert.equal(await hasHorizontalScroll(page), false);
  await closeCustomer(customer);
});

test('the cancel link returns to the shop', async () => {
  const { customer, page } = await openSession();

  await page.getByRole('link', { name: 'Back to the shop' }).click();

  await page.waitForURL(`${shop.url}/cart`);
  await closeCustomer(customer);
});

test('paying an expired Session fails', async () => {
  const { customer, page, session } = await openSession({ params: WITH_EMAIL });
  await stripe(service, 'POST', `/v1/checkout/sessions/${session.id}/expire`);

  await pay(page, CARDS.success);

  await waitForAlert(page, 'has expired');
  await closeCustomer(customer);
});

test('the page of an expired Session links back to the shop', async () => {
  const { customer, page, session } = await openSession({ options: PHONE });
  await stripe(service, 'POST', `/v1/checkout/sessions/${session.id}/expire`);

  await page.reload();

  await page.getByText('This checkout has expired').waitFor();
  await screenshot(page, 'hosted-page-expired');
  await page.getByRole('link', { name: 'Back to the shop' }).click();
  await page.waitForURL(`${shop.url}/cart`);
  await closeCustomer(customer);
});
