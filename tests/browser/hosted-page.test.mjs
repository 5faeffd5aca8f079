// The sandbox's hosted page of a Checkout Session, as a customer sees it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CARDS, newCustomer, paymentForm, screenshot, servePage, startBrowser, startService, stripe, typeCard,
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

const createSession = (params = {}) => stripe(service, 'POST', '/v1/checkout/sessions', {
  mode: 'payment',
  success_url: `${shop.url}/done?session={CHECKOUT_SESSION_ID}`,
  cancel_url: `${shop.url}/cart`,
  'line_items[0][price_data][currency]': 'eur',
  'line_items[0][price_data][unit_amount]': 1250,
  'line_items[0][price_data][product_data][name]': 'Stoneware mug',
  'line_items[0][price_data][product_data][description]': 'Glazed by hand, holds 350 ml',
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

/** A customer on the page of a new Session, with the form there. */
async function visit({ params, customer } = {}) {
  const session = await createSession(params);
  const visitor = await newCustomer(chromium.browser, customer);
  await visitor.page.goto(session.url);
  await paymentForm(visitor.page).getByLabel('Card number').waitFor();
  return { ...visitor, session };
}

const payButton = (page) => page.getByRole('button', { name: 'Pay', exact: true });

test('a customer sees what is sold, pays, and is back in the shop', async () => {
  const { page, context, outside, errors, session } = await visit();
  await page.getByText('Stoneware mug').waitFor();
  await page.getByText('€1,240.00').first().waitFor();
  assert.equal(await page.getByLabel('Email').getAttribute('autocomplete'), 'email');
  await screenshot(page, 'hosted-page', { isWhole: true });
  await page.getByLabel('Email').fill('ada@example.com');
  await typeCard(page, CARDS.success);
  await payButton(page).click();
  await page.waitForURL(`${shop.url}/done?session=${session.id}`);
  const paid = await readSession(session);
  assert.deepEqual([paid.status, paid.payment_status, paid.customer_details.email], ['complete', 'paid', 'ada@example.com']);
  await page.goto(session.url);
  assert.match(page.url(), /\/c\/pay\//);
  await page.getByText('This payment is complete').waitFor();
  await screenshot(page, 'hosted-page-complete');
  assert.deepEqual([outside, errors], [[], []]);
  await context.close();
});

test('what is missing is said where it is missing, and nothing is sent', async () => {
  const { page, context, session } = await visit();
  await payButton(page).click();
  await page.getByText('Your email address is incomplete.').waitFor();
  await page.getByLabel('Email').fill('ada@example.com');
  await payButton(page).click();
  await paymentForm(page).getByText('Your card number is incomplete.').waitFor();
  await payButton(page).waitFor();
  assert.equal((await readSession(session)).payment_intent, null);
  await context.close();
});

test('a declined card is said, and another one pays', async () => {
  const { page, context, session } = await visit({ params: { customer_email: 'ada@example.com' } });
  await typeCard(page, CARDS.declined);
  await payButton(page).click();
  await page.getByRole('alert').filter({ hasText: 'insufficient funds' }).waitFor();
  await screenshot(page, 'hosted-page-declined', { isWhole: true });
  assert.equal((await readSession(session)).payment_intent.status, 'requires_payment_method');
  await typeCard(page, CARDS.success);
  await payButton(page).dblclick();
  await page.waitForURL(`${shop.url}/done?session=${session.id}`);
  const charges = await stripe(service, 'GET', '/v1/charges', {
    payment_intent: (await readSession(session)).payment_intent.id,
  });
  assert.deepEqual(charges.data.map(({ status }) => status), ['succeeded', 'failed'], 'a double click pays once');
  await context.close();
});

test('3D Secure leads back to the page or on to the shop', async () => {
  const { page, context, session } = await visit({ params: { customer_email: 'ada@example.com' } });
  await typeCard(page, CARDS.threeDSecure);
  await payButton(page).click();
  await page.getByRole('button', { name: 'Fail authentication' }).click();
  await page.getByRole('alert').filter({ hasText: 'unable to authenticate' }).waitFor();
  await typeCard(page, CARDS.threeDSecure);
  await payButton(page).click();
  await page.getByRole('button', { name: 'Complete authentication' }).click();
  await page.waitForURL(`${shop.url}/done?session=${session.id}`);
  assert.equal((await readSession(session)).payment_status, 'paid');
  await context.close();
});

test('a bank debit completes the Session before its money has come', async () => {
  const { page, context, session } = await visit();
  await page.getByLabel('Email').fill('ada@example.com');
  const form = paymentForm(page);
  await form.getByRole('tab', { name: 'SEPA debit' }).click();
  await form.getByLabel('Full name').fill('Ada');
  await form.getByLabel('IBAN').fill('AT321904300235473204');
  await screenshot(page, 'hosted-page-debit', { isWhole: true });
  await payButton(page).click();
  await page.waitForURL(`${shop.url}/done?session=${session.id}`);
  const done = await readSession(session);
  assert.deepEqual([done.status, done.payment_status, done.payment_intent.status], ['complete', 'unpaid', 'processing']);
  await context.close();
});

test('on a phone the page fits, leads back, and says when it is over', async () => {
  const customer = { viewport: { width: 375, height: 740 }, isMobile: true, hasTouch: true };
  const { page, context, session } = await visit({ customer });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 375, `nothing to scroll sideways: ${width}`);
  await screenshot(page, 'hosted-page-phone', { isWhole: true });
  await page.getByRole('link', { name: 'Back to the shop' }).click();
  await page.waitForURL(`${shop.url}/cart`);
  await page.goBack();
  await payButton(page).waitFor();
  await stripe(service, 'POST', `/v1/checkout/sessions/${session.id}/expire`);
  await page.getByLabel('Email').fill('ada@example.com');
  await typeCard(page, CARDS.success);
  await payButton(page).click();
  await page.getByRole('alert').filter({ hasText: 'has expired' }).waitFor();
  await page.reload();
  await page.getByText('This checkout has expired').waitFor();
  await screenshot(page, 'hosted-page-expired');
  await page.getByRole('link', { name: 'Back to the shop' }).click();
  await page.waitForURL(`${shop.url}/cart`);
  await context.close();
});
