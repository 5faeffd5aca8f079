// The shop as customers use it: catalog, cart, checkout, and return page.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { PHONE, storefront } from './storefront.mjs';
import {
  CARDS, closeCustomer, hasHorizontalScroll, isFocused, newCustomer, paymentForm, screenshot, startBrowser, startService, stripe,
  typeCard, waitUntil,
} from './support.mjs';

let service;
let chromium;
let customer;
const {
  openShop, addToCart, goToCheckout, payButton, waitForPaymentForm, fillDetails, fillCheckout, buy, waitForThanks, readOrder,
  waitForStatus, readStripe,
} = storefront(() => service);

before(async () => {
  service = await startService();
  chromium = await startBrowser();
});
after(async () => {
  await chromium?.stop();
  await service?.stop();
});
beforeEach(async () => { customer = await newCustomer(chromium.browser); });
afterEach(() => closeCustomer(customer));

/** Declines the customer's card once, and waits for the message. */
async function payWithDeclinedCard(page) {
  const confirmed = page.waitForResponse((response) => response.url().endsWith('/confirm'));
  await payButton(page).click();
  await confirmed;
  await page.getByRole('alert').filter({ hasText: 'insufficient funds' }).waitFor();
}

test('a customer fills a cart and pays by card', async () => {
  const { page } = customer;
  await openShop(page);
  await screenshot(page, 'shop-catalog', { isFullPage: true });
  await addToCart(page, 'Ceramic dripper');
  await page.getByRole('button', { name: 'Cart, 1 item' }).click();
  await page.getByRole('button', { name: 'Add one: Ceramic dripper' }).click();
  await page.getByLabel('Quantity 2').waitFor();
  await screenshot(page, 'shop-cart');
  await page.getByRole('button', { name: 'Close cart' }).click();
  const order = await goToCheckout(page, ['Paper filters']);
  assert.equal(order.amount_total, 2 * 2_250 + 490);
  await screenshot(page, 'checkout-empty', { isFullPage: true });
  await fillDetails(page);
  await typeCard(page, CARDS.success);
  await screenshot(page, 'checkout-filled', { isFullPage: true });

  await payButton(page).click();

  await waitForThanks(page);
  await page.getByText('Receipt to ada@example.com').waitFor();
  await screenshot(page, 'return-paid', { isFullPage: true });
  const paid = await readOrder(order.id);
  assert.deepEqual([paid.status, paid.amount_paid], ['paid', 4_990]);
  assert.equal(paid.shipping.address.line1, '12 St James’s Square');
});

test('the cart is empty after a payment', async () => {
  const { page } = customer;
  await buy(page);

  await page.getByRole('link', { name: 'Back to the shop' }).click();

  await page.getByRole('button', { name: 'Cart, 0 items' }).waitFor();
});

test('the return page removes the client secret from its URL', async () => {
  const { page } = customer;

  await buy(page);

  assert.ok(!page.url().includes('secret'), page.url());
});

test('checkout fields have autocomplete tokens', async () => {
  const { page } = customer;

  await goToCheckout(page);

  for (const [label, token] of [
    ['Email', 'email'], ['Full name', 'name'], ['Address', 'address-line1'], ['Apartment', 'address-line2'],
    ['Postal code', 'postal-code'], ['City', 'address-level2'], ['Country', 'country'],
  ]) {
    assert.equal(await page.getByLabel(label).first().getAttribute('autocomplete'), token);
  }
});

test('a missing email address is marked and focused', async () => {
  const { page } = customer;
  await goToCheckout(page);

  await payButton(page).click();

  await page.getByText('Please enter your email address.').waitFor();
  assert.equal(await isFocused(page.getByLabel('Email')), true);
  await screenshot(page, 'checkout-errors', { isFullPage: true });
});

test('an invalid email address is marked when the field loses focus', async () => {
  const { page } = customer;
  await goToCheckout(page);

  await page.getByLabel('Email').fill('ada@nowhere');
  await page.getByLabel('Full name').focus();

  await page.getByText('Please enter your email address.').waitFor();
});

test('a missing card number is marked in the payment form', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);

  await payButton(page).click();

  await paymentForm(page).getByText('Your card number is incomplete.').waitFor();
  assert.equal((await readOrder(order.id)).status, 'pending');
});

test('another card pays the same order after a decline', async () => {
  const { page } = customer;
  const order = await fillCheckout(page, CARDS.declined);
  await payWithDeclinedCard(page);
  await waitForStatus(order.id, 'payment_failed');
  await screenshot(page, 'checkout-declined', { isFullPage: true });

  await typeCard(page, CARDS.success);
  await payButton(page).click();

  await waitForThanks(page);
  assert.equal((await readOrder(order.id)).status, 'paid');
  const { intents, charges } = await readStripe(order.id);
  assert.equal(intents.length, 1);
  assert.deepEqual(charges.map(({ status }) => status).sort(), ['failed', 'succeeded']);
});

test('too many declines close the order and keep the cart', async () => {
  const { page } = customer;
  const order = await fillCheckout(page, CARDS.declined);
  for (let attempt = 0; attempt < 10; attempt += 1) await payWithDeclinedCard(page);
  // The API cancels the PaymentIntent after the last decline's event.
  await waitUntil(async () => (await readStripe(order.id)).intents[0].status, (status) => status === 'canceled');

  await page.reload();

  await page.getByRole('heading', { name: 'Too many attempts' }).waitFor();
  await page.getByRole('link', { name: 'Back to the shop' }).click();
  await page.getByRole('button', { name: 'Cart, 2 items' }).waitFor();
  assert.equal((await readStripe(order.id)).succeeded.length, 0);
});

test('a payment succeeds after 3D Secure authentication', async () => {
  const { page } = customer;
  const order = await fillCheckout(page, CARDS.threeDSecure);
  await payButton(page).click();
  await page.getByRole('button', { name: 'Complete authentication' }).waitFor();
  await screenshot(page, 'three-d-secure-page');

  await page.getByRole('button', { name: 'Complete authentication' }).click();

  await waitForThanks(page);
  assert.equal((await readOrder(order.id)).status, 'paid');
});

test('failed 3D Secure authentication shows the failure', async () => {
  const { page } = customer;
  await fillCheckout(page, CARDS.threeDSecure);
  await payButton(page).click();

  await page.getByRole('button', { name: 'Fail authentication' }).click();

  await page.getByRole('heading', { name: 'Your payment failed' }).waitFor();
  await screenshot(page, 'return-failed', { isFullPage: true });
});

test('another card pays the same order after failed 3D Secure authentication', async () => {
  const { page } = customer;
  const order = await fillCheckout(page, CARDS.threeDSecure);
  await payButton(page).click();
  await page.getByRole('button', { name: 'Fail authentication' }).click();
  await page.getByRole('link', { name: 'Try again' }).click();
  await waitForPaymentForm(page);
  assert.equal(await page.getByLabel('Email').inputValue(), 'ada@example.com', 'the form keeps its values');

  await typeCard(page, CARDS.success);
  await payButton(page).click();

  await waitForThanks(page);
  assert.equal((await readOrder(order.id)).status, 'paid');
  assert.equal((await readStripe(order.id)).intents.length, 1);
});

test('a bank debit is processing until it settles', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await paymentForm(page).getByRole('tab', { name: 'SEPA debit' }).click();
  // The sandbox doesn't settle debits from this account automatically.
  await paymentForm(page).getByLabel('IBAN').fill('AT321904300235473204');
  await screenshot(page, 'checkout-debit', { isFullPage: true });

  await payButton(page).click();

  await page.getByRole('heading', { name: 'Your payment is processing' }).waitFor();
  await screenshot(page, 'return-processing', { isFullPage: true });
  await waitForStatus(order.id, 'processing');
  const { intents } = await readStripe(order.id);
  await stripe(service, 'POST', `/_sandbox/payment_intents/${intents[0].id}/settle`);
  await waitForThanks(page);
  assert.equal((await readOrder(order.id)).status, 'paid');
});

test('closing the page during the payment request charges at most once', async () => {
  const { page, context } = customer;
  const order = await fillCheckout(page);
  const confirmed = page.waitForRequest((request) => request.url().endsWith('/confirm'));
  await payButton(page).click();
  await confirmed;

  await page.close();

  // The browser may or may not have sent the request, so the order is either paid or open.
  const newPage = await context.newPage();
  await newPage.goto(`${service.url}/demo/#/checkout`);
  await newPage.getByRole('heading', { name: 'Thank you!' }).or(payButton(newPage)).waitFor();
  const { intents, charges } = await readStripe(order.id);
  assert.equal(intents.length, 1);
  assert.ok(charges.length <= 1);
  if (charges.length === 1) assert.equal((await waitForStatus(order.id, 'paid')).amount_paid, 2_740);
});

test('closing the page right after the charge keeps the order paid', async () => {
  const { page, context } = customer;
  const order = await fillCheckout(page);
  await context.route('**/return.html*', (route) => route.abort());
  const confirmed = page.waitForResponse((response) => response.url().endsWith('/confirm'));
  await payButton(page).click();
  await confirmed;

  await page.close();

  await waitForStatus(order.id, 'paid');
  await context.unroute('**/return.html*');
  const newPage = await context.newPage();
  await newPage.goto(`${service.url}/demo/#/checkout`);
  await waitForThanks(newPage);
  assert.equal((await readStripe(order.id)).charges.length, 1);
});

test('a double click on Pay charges once', async () => {
  const { page } = customer;
  const order = await fillCheckout(page);
  const confirmations = [];
  page.on('request', (request) => { if (request.url().endsWith('/confirm')) confirmations.push(request.url()); });

  await payButton(page).dblclick();

  await waitForThanks(page);
  assert.equal(confirmations.length, 1);
  const { intents, charges } = await readStripe(order.id);
  assert.deepEqual([intents.length, charges.length], [1, 1]);
  assert.equal((await readOrder(order.id)).amount_paid, 2_740);
});

test('the back button after a payment shows an empty cart', async () => {
  const { page } = customer;
  const order = await buy(page);

  await page.goBack();

  await page.getByRole('heading', { name: 'Your cart is empty' }).waitFor();
  assert.equal(await payButton(page).count(), 0);
  assert.equal((await readStripe(order.id)).charges.length, 1);
});

test('another card pays after the back button leaves 3D Secure', async () => {
  const { page } = customer;
  const order = await fillCheckout(page, CARDS.threeDSecure);
  await payButton(page).click();
  await page.getByRole('button', { name: 'Complete authentication' }).waitFor();
  await page.goBack();
  await waitForPaymentForm(page);

  await typeCard(page, CARDS.success);
  await payButton(page).click();

  await waitForThanks(page);
  const { intents, charges } = await readStripe(order.id);
  assert.deepEqual([intents.length, charges.length], [1, 1]);
});

/** Buys something and returns the URL that Stripe.js redirects to. */
async function buyAndRecordReturnUrl(page) {
  await fillCheckout(page);
  const returned = page.waitForRequest((request) => request.url().includes('/return.html'));
  await payButton(page).click();
  const url = (await returned).url();
  await waitForThanks(page);
  return new URL(url);
}

test('the return page in another browser shows the payment without personal data', async () => {
  const url = await buyAndRecordReturnUrl(customer.page);
  const other = await newCustomer(chromium.browser);

  await other.page.goto(url.href);

  await waitForThanks(other.page);
  assert.equal(await other.page.getByText('ada@example.com').count(), 0);
  await closeCustomer(other);
});

test('the return page works with only the parameters that Stripe adds', async () => {
  const url = await buyAndRecordReturnUrl(customer.page);
  url.searchParams.delete('order');
  const other = await newCustomer(chromium.browser);

  await other.page.goto(url.href);

  await waitForThanks(other.page);
  await closeCustomer(other);
});

test('the return page with a wrong client secret finds no payment', async () => {
  const url = await buyAndRecordReturnUrl(customer.page);
  url.searchParams.delete('order');
  url.searchParams.set('payment_intent_client_secret', `${url.searchParams.get('payment_intent')}_secret_wrong`);
  const other = await newCustomer(chromium.browser);

  await other.page.goto(url.href);

  await other.page.getByRole('heading', { name: 'We can’t find this payment' }).waitFor();
  await closeCustomer(other);
});

test('a reload keeps the order', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);

  await page.reload();

  await waitForPaymentForm(page);
  assert.equal((await readStripe(order.id)).intents.length, 1);
});

test('a changed cart cancels the order and places a new one', async () => {
  const { page } = customer;
  const first = await goToCheckout(page);
  await page.getByRole('link', { name: 'Back to the shop' }).click();

  const second = await goToCheckout(page, ['Pour-over kettle']);

  assert.notEqual(second.id, first.id);
  assert.equal(second.amount_total, 2_250 + 490 + 6_400);
  await waitForStatus(first.id, 'canceled');
});

test('the checkout works with the keyboard alone', async () => {
  const { page } = customer;
  await openShop(page);
  await page.getByRole('button', { name: 'Add to cart: Paper filters' }).press('Enter');
  await page.getByRole('button', { name: /^Cart, 1/ }).press('Enter');
  await page.getByRole('button', { name: 'Checkout' }).press('Enter');
  await waitForPaymentForm(page);
  await page.getByLabel('Email').focus();
  for (const text of ['ada@example.com', 'Ada Lovelace', '12 St James’s Square', '', 'D02 AF30', 'Dublin']) {
    await page.keyboard.type(text);
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Tab');
  // The focus is now on the frame's Card tab. A complete card field moves the focus to the next field.
  await page.keyboard.press('Tab');
  await page.keyboard.type(`${CARDS.success}1230123`);
  await page.keyboard.press('Tab');
  assert.equal(await isFocused(payButton(page)), true);

  await page.keyboard.press('Enter');

  await waitForThanks(page);
});

test('the shop fits a phone screen', async () => {
  const phone = await newCustomer(chromium.browser, PHONE);
  const { page } = phone;
  await openShop(page);
  await screenshot(page, 'phone-catalog');
  assert.equal(await hasHorizontalScroll(page), false);
  const order = await fillCheckout(page);
  await screenshot(page, 'phone-checkout', { isFullPage: true });
  assert.equal(await hasHorizontalScroll(page), false);

  await payButton(page).tap();

  await waitForThanks(page);
  await screenshot(page, 'phone-paid');
  assert.equal((await readOrder(order.id)).status, 'paid');
  await closeCustomer(phone);
});

test('the payment form is dark in dark mode', async () => {
  const darkCustomer = await newCustomer(chromium.browser, { colorScheme: 'dark' });
  const { page } = darkCustomer;

  await fillCheckout(page);

  const cardNumber = paymentForm(page).getByLabel('Card number');
  assert.equal(await cardNumber.evaluate((node) => getComputedStyle(node).backgroundColor), 'rgb(42, 36, 32)');
  await screenshot(page, 'dark-checkout', { isFullPage: true });
  await openShop(page);
  await screenshot(page, 'dark-catalog');
  await closeCustomer(darkCustomer);
});

test('the API reference loads without internet access', async () => {
  const { page } = customer;

  await page.goto(`${service.url}/docs`);

  await page.getByText('/v1/orders/{id}/payment_intent').first().waitFor();
  await screenshot(page, 'docs');
});
