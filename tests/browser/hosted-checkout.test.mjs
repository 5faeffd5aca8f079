// The shop's hosted payment page, switching between both ways to pay, products that sell out, and orders that expire.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { PHONE, storefront } from './storefront.mjs';
import {
  CARDS, callApi, closeCustomer, hasHorizontalScroll, isFocused, newCustomer, paymentForm, screenshot, startBrowser, startService,
  stripe, typeCard,
} from './support.mjs';

let service;
/** A service whose orders expire after one minute. */
let expiringService;
let chromium;
let customer;
/** A customer of that service. Their order expires while the other tests run. */
let expiringCustomer;
const {
  openShop, addToCart, openCheckoutFromCart, goToCheckout, payButton, waitForPaymentForm, fillDetails, fillCheckout, waitForThanks,
  readOrder, waitForStatus, readStripe,
} = storefront(() => service);
const expiringShop = storefront(() => expiringService);

before(async () => {
  [service, expiringService, chromium] = await Promise.all(
    [startService(), startService({ QUITTANCE_ORDER_EXPIRY: '1m' }), startBrowser()],
  );
  expiringCustomer = await newCustomer(chromium.browser);
  expiringCustomer.order = await expiringShop.goToCheckout(expiringCustomer.page, ['Paper filters']);
  await expiringShop.fillDetails(expiringCustomer.page);
});
after(async () => {
  await chromium?.stop();
  await service?.stop();
  await expiringService?.stop();
});
beforeEach(async () => { customer = await newCustomer(chromium.browser); });
afterEach(() => closeCustomer(customer));

const hostedButton = (page) => page.getByRole('button', { name: 'Pay on a hosted page' });
const hostedPayButton = (page) => page.getByRole('button', { name: 'Pay', exact: true });
const waitForAlert = (page, text) => page.getByRole('alert').filter({ hasText: text }).waitFor();
const waitForHeading = (page, name) => page.getByRole('heading', { name }).waitFor();
const checkoutUrl = () => `${service.url}/demo/#/checkout`;

/** Goes from the checkout to the hosted page, and waits for its form. */
async function goToHostedPage(page, press = (button) => button.click()) {
  await press(hostedButton(page));
  await page.waitForURL(`${service.sandbox}/c/pay/**`);
  await paymentForm(page).getByLabel('Card number').waitFor();
}

/** Goes from the catalog to the hosted page. Returns the order. */
async function goToHostedCheckout(page) {
  const order = await goToCheckout(page);
  await fillDetails(page);
  await goToHostedPage(page);
  return order;
}

async function payOnHostedPage(page, card) {
  await typeCard(page, card);
  await hostedPayButton(page).click();
}

/** Opens the checkout in a second tab of the same customer. */
async function openSecondTab() {
  const tab = await customer.context.newPage();
  await tab.goto(checkoutUrl());
  await waitForPaymentForm(tab);
  await fillDetails(tab);
  return tab;
}

/** Returns an order's Checkout Sessions, newest first. */
async function readSessions(orderId) {
  const { data } = await stripe(service, 'GET', '/v1/checkout/sessions', { limit: 100 });
  return data.filter(({ metadata }) => metadata.order_id === orderId);
}

const sessionStatuses = async (orderId) => (await readSessions(orderId)).map(({ status }) => status).sort();

async function assertChargedOnce(orderId) {
  const { status, amount_paid, amount_refunded } = await readOrder(orderId);
  assert.deepEqual([status, amount_paid, amount_refunded], ['paid', 2_740, 0]);
  assert.equal((await readStripe(orderId)).succeeded.length, 1);
}

const createProduct = (name, unit_amount, stock) =>
  callApi(service, 'POST', '/v1/products', { name, description: 'Handmade', unit_amount, currency: 'eur', stock });

const setStock = (product, stock) => callApi(service, 'PATCH', `/v1/products/${product.id}`, { stock });

test('the checkout asks for missing details before it opens the hosted page', async () => {
  const { page } = customer;
  await goToCheckout(page);

  await hostedButton(page).click();

  await page.getByText('Please enter your email address.').waitFor();
  assert.equal(await isFocused(page.getByLabel('Email')), true);
});

test('the hosted page shows the items and the email address', async () => {
  const { page } = customer;

  await goToHostedCheckout(page);

  await page.getByText('Ceramic dripper').waitFor();
  assert.equal(await page.getByLabel('Email').inputValue(), 'ada@example.com');
});

test('a customer pays on the hosted page', async () => {
  const { page } = customer;
  const order = await goToHostedCheckout(page);
  await typeCard(page, CARDS.success);
  await screenshot(page, 'hosted-checkout-filled', { isFullPage: true });

  await hostedPayButton(page).click();

  await waitForThanks(page);
  await page.getByText('Receipt to ada@example.com').waitFor();
  await screenshot(page, 'hosted-checkout-paid', { isFullPage: true });
  const [session] = await readSessions(order.id);
  assert.equal(new URL(page.url()).search, `?session_id=${session.id}`);
  await assertChargedOnce(order.id);
  const { charges } = await readStripe(order.id);
  assert.deepEqual(charges.map(({ payment_intent, amount }) => [payment_intent, amount]), [[session.payment_intent, 2_740]]);
});

test('the cart is empty after a payment on the hosted page', async () => {
  const { page } = customer;
  await goToHostedCheckout(page);
  await payOnHostedPage(page, CARDS.success);
  await waitForThanks(page);

  await page.getByRole('link', { name: 'Back to the shop' }).click();

  await page.getByRole('button', { name: 'Cart, 0 items' }).waitFor();
});

test('another card pays on the hosted page after a decline', async () => {
  const { page } = customer;
  const order = await goToHostedCheckout(page);
  await payOnHostedPage(page, CARDS.declined);
  await waitForAlert(page, 'insufficient funds');
  await waitForStatus(order.id, 'payment_failed');

  await payOnHostedPage(page, CARDS.success);

  await waitForThanks(page);
  assert.equal((await readOrder(order.id)).status, 'paid');
  const { charges } = await readStripe(order.id);
  assert.deepEqual(charges.map(({ status }) => status).sort(), ['failed', 'succeeded']);
});

test('the hosted page accepts a second 3D Secure attempt', async () => {
  const { page } = customer;
  const order = await goToHostedCheckout(page);
  await payOnHostedPage(page, CARDS.threeDSecure);
  await page.getByRole('button', { name: 'Fail authentication' }).click();
  await waitForAlert(page, 'unable to authenticate');

  await payOnHostedPage(page, CARDS.threeDSecure);
  await page.getByRole('button', { name: 'Complete authentication' }).click();

  await waitForThanks(page);
  await assertChargedOnce(order.id);
});

/** Returns from the hosted page with its cancel link. */
async function followCancelLink(page) {
  await page.getByRole('link', { name: 'Back to the shop' }).click();
  await page.waitForURL(checkoutUrl());
  await waitForPaymentForm(page);
}

test('the cancel link expires the Session and keeps the form', async () => {
  const { page } = customer;
  const order = await goToHostedCheckout(page);

  await followCancelLink(page);

  assert.equal(await page.getByLabel('City').inputValue(), 'Dublin');
  assert.deepEqual(await sessionStatuses(order.id), ['expired']);
});

test('a card pays in the checkout after the cancel link', async () => {
  const { page } = customer;
  const order = await goToHostedCheckout(page);
  await followCancelLink(page);

  await typeCard(page, CARDS.success);
  await payButton(page).click();

  await waitForThanks(page);
  await assertChargedOnce(order.id);
});

test('a hosted page left open in another tab is expired after the cancel link', async () => {
  const { page, context } = customer;
  await goToHostedCheckout(page);
  const hostedUrl = page.url();
  await followCancelLink(page);

  const tab = await context.newPage();
  await tab.goto(hostedUrl);

  await tab.getByText('This checkout has expired').waitFor();
  await screenshot(tab, 'hosted-checkout-closed');
});

test('the back button leaves the hosted page, and a new one can be paid', async () => {
  const { page } = customer;
  const order = await goToHostedCheckout(page);
  await page.goBack();
  await waitForPaymentForm(page);
  assert.deepEqual(await sessionStatuses(order.id), ['expired']);

  await goToHostedPage(page);
  await payOnHostedPage(page, CARDS.success);

  await waitForThanks(page);
  assert.deepEqual(await sessionStatuses(order.id), ['complete', 'expired']);
  await assertChargedOnce(order.id);
});

test('the checkout shows an empty cart after a payment on the hosted page', async () => {
  const { page } = customer;
  await goToHostedCheckout(page);
  await payOnHostedPage(page, CARDS.success);
  await waitForThanks(page);

  await page.goto(checkoutUrl());

  await waitForHeading(page, 'Your cart is empty');
});

test('the hosted page in another tab closes the payment form', async () => {
  const { page } = customer;
  const order = await fillCheckout(page);
  const tab = await openSecondTab();
  await goToHostedPage(tab);

  await payButton(page).click();

  await waitForAlert(page, 'You started to pay in another window');
  await waitForPaymentForm(page);
  await screenshot(page, 'checkout-other-window', { isFullPage: true });
  assert.equal((await readStripe(order.id)).succeeded.length, 0);
});

test('a reopened payment form closes the hosted page in the other tab', async () => {
  const { page } = customer;
  const order = await fillCheckout(page);
  const tab = await openSecondTab();
  await goToHostedPage(tab);
  await payButton(page).click();
  await waitForAlert(page, 'You started to pay in another window');
  await waitForPaymentForm(page);

  await payOnHostedPage(tab, CARDS.success);
  await waitForAlert(tab, 'has expired');
  await typeCard(page, CARDS.success);
  await payButton(page).click();

  await waitForThanks(page);
  await assertChargedOnce(order.id);
  await tab.goto(checkoutUrl());
  await waitForHeading(tab, 'Your cart is empty');
});

test('paying while another tab opens the hosted page charges once', async () => {
  const { page } = customer;
  const order = await fillCheckout(page);
  const tab = await openSecondTab();

  await Promise.all([payButton(page).click(), hostedButton(tab).click()]);

  // Either the payment succeeds, or the other tab closes it first.
  const thanks = page.getByRole('heading', { name: 'Thank you!' });
  const alert = page.getByRole('alert').filter({ hasText: 'another window' });
  await thanks.or(alert).waitFor();
  if (await alert.isVisible()) {
    await waitForPaymentForm(page);
    await typeCard(page, CARDS.success);
    await payButton(page).click();
    await thanks.waitFor();
  }
  await assertChargedOnce(order.id);
});

test('the success page in another browser shows no personal data', async () => {
  const { page } = customer;
  await goToHostedCheckout(page);
  await payOnHostedPage(page, CARDS.success);
  await waitForThanks(page);
  const other = await newCustomer(chromium.browser);

  await other.page.goto(page.url());

  await waitForThanks(other.page);
  await screenshot(other.page, 'hosted-checkout-other-browser');
  assert.equal(await other.page.getByText('ada@example.com').count(), 0);
  await closeCustomer(other);
});

test('the return page with an unknown Session ID finds no payment', async () => {
  const { page } = customer;

  await page.goto(`${service.url}/demo/return.html?session_id=cs_test_unknown`);

  await waitForHeading(page, 'We can’t find this payment');
});

test('the return page with only the order ID finds no payment in another browser', async () => {
  const order = await goToCheckout(customer.page);
  const other = await newCustomer(chromium.browser);

  await other.page.goto(`${service.url}/demo/return.html?order=${order.id}`);

  await waitForHeading(other.page, 'We can’t find this payment');
  await closeCustomer(other);
});

/** Pays by bank debit on the hosted page, and opens the return page in another browser. */
async function payByDebitInTwoBrowsers(page) {
  const order = await goToHostedCheckout(page);
  const form = paymentForm(page);
  await form.getByRole('tab', { name: 'SEPA debit' }).click();
  await form.getByLabel('Full name').fill('Ada Lovelace');
  // The sandbox doesn't settle debits from this account automatically.
  await form.getByLabel('IBAN').fill('AT321904300235473204');
  await hostedPayButton(page).click();
  await waitForHeading(page, 'Your payment is processing');
  const other = await newCustomer(chromium.browser);
  await other.page.goto(page.url());
  return { order, other };
}

test('a bank debit on the hosted page is processing in both browsers', async () => {
  const { page } = customer;

  const { order, other } = await payByDebitInTwoBrowsers(page);

  await waitForHeading(other.page, 'Your payment is processing');
  assert.equal((await readOrder(order.id)).status, 'processing');
  await closeCustomer(other);
});

test('a failed bank debit shows a retry link only in the browser that ordered', async () => {
  const { page } = customer;
  const { order, other } = await payByDebitInTwoBrowsers(page);
  await waitForHeading(other.page, 'Your payment is processing');

  const [{ payment_intent: intent }] = await readSessions(order.id);
  await stripe(service, 'POST', `/_sandbox/payment_intents/${intent}/settle`, { outcome: 'failed' });

  await Promise.all([waitForHeading(page, 'Your payment failed'), waitForHeading(other.page, 'Your payment failed')]);
  await page.getByRole('link', { name: 'Try again' }).waitFor();
  await other.page.getByText('To try again, use the browser you ordered in.').waitFor();
  assert.equal(await other.page.getByRole('link', { name: 'Try again' }).count(), 0);
  await screenshot(page, 'hosted-checkout-failed', { isFullPage: true });
  await closeCustomer(other);
});

test('the return page of a closed hosted page shows that it was closed', async () => {
  const { page } = customer;
  const order = await goToHostedCheckout(page);
  await page.goBack();
  await waitForPaymentForm(page);
  const [{ id }] = await readSessions(order.id);
  const other = await newCustomer(chromium.browser);

  await other.page.goto(`${service.url}/demo/return.html?session_id=${id}`);

  await waitForHeading(other.page, 'This payment page was closed');
  await closeCustomer(other);
});

test('the catalog shows low stock and limits the cart to it', async () => {
  const { page } = customer;
  await createProduct('Walnut tamper', 1_200, 3);
  await createProduct('Hand scale', 8_900, 1);
  await openShop(page);
  await page.getByText('Only 3 left').waitFor();
  await addToCart(page, 'Hand scale');

  await page.getByRole('button', { name: 'In your cart: Hand scale' }).press('Enter');

  await page.getByRole('button', { name: 'Cart, 1 item' }).waitFor();
  await screenshot(page, 'stock-catalog', { isFullPage: true });
});

/** Fills a cart with a grinder and two scoops. Then another customer orders the last grinder and two of three scoops. */
async function loseStockToAnotherCustomer(page, suffix) {
  const names = { grinder: `Hand grinder ${suffix}`, scoop: `Walnut scoop ${suffix}` };
  const grinder = await createProduct(names.grinder, 8_900, 1);
  await createProduct(names.scoop, 1_200, 3);
  await openShop(page);
  for (const name of [names.grinder, names.scoop, names.scoop, 'Paper filters']) await addToCart(page, name);
  const rival = await newCustomer(chromium.browser);
  await goToCheckout(rival.page, [names.grinder, names.scoop, names.scoop]);
  return { names, grinder, rival };
}

test('the checkout lists items that sold out', async () => {
  const { page } = customer;
  const { names, rival } = await loseStockToAnotherCustomer(page, 'A');

  await openCheckoutFromCart(page);

  const heading = page.getByRole('heading', { name: 'Some items are out of stock' });
  await heading.waitFor();
  assert.equal(await isFocused(heading), true);
  const rows = await page.getByRole('listitem').allInnerTexts();
  assert.deepEqual(rows.map((row) => row.split('\n')), [
    [names.grinder, 'Sold out', '1 in your cart'], [names.scoop, 'Only 1 left', '2 in your cart'],
  ]);
  await screenshot(page, 'stock-shortage');
  await closeCustomer(rival);
});

test('the catalog shows a product that sold out', async () => {
  const { page } = customer;
  const { names, rival } = await loseStockToAnotherCustomer(page, 'B');

  await page.reload();

  const soldOut = page.getByRole('button', { name: `Sold out: ${names.grinder}` });
  await soldOut.waitFor();
  assert.equal(await soldOut.isDisabled(), true);
  await page.getByRole('button', { name: 'Cart, 4 items' }).click();
  await screenshot(page, 'stock-cart');
  await closeCustomer(rival);
});

test('a customer continues with the available items', async () => {
  const { page } = customer;
  const { names, rival } = await loseStockToAnotherCustomer(page, 'C');
  await openCheckoutFromCart(page);

  await page.getByRole('button', { name: 'Continue with available items' }).click();

  await waitForPaymentForm(page);
  const summary = await page.getByRole('complementary').innerText();
  assert.ok(summary.includes(names.scoop) && summary.includes('€16.90') && !summary.includes(names.grinder), summary);
  await closeCustomer(rival);
});

test('stock reserved by the customer’s own order is not sold out for them', async () => {
  const { page } = customer;
  await createProduct('Tasting spoon', 900, 1);
  await goToCheckout(page, ['Tasting spoon']);

  await page.getByRole('link', { name: 'Back to the shop' }).click();

  await page.getByRole('button', { name: 'In your cart: Tasting spoon' }).waitFor();
});

test('a product is available again after another customer removes it', async () => {
  const { page } = customer;
  const { names, grinder, rival } = await loseStockToAnotherCustomer(page, 'D');
  await openCheckoutFromCart(page);
  await page.getByRole('button', { name: 'Continue with available items' }).click();
  await waitForPaymentForm(page);

  await rival.page.getByRole('link', { name: 'Back to the shop' }).click();
  await rival.page.getByRole('button', { name: /^Cart/ }).click();
  await rival.page.getByRole('button', { name: `Remove one: ${names.grinder}` }).click();
  await rival.page.getByRole('button', { name: 'Checkout' }).click();
  await waitForPaymentForm(rival.page);

  await openShop(page);
  await page.getByRole('button', { name: `Add to cart: ${names.grinder}` }).waitFor();
  assert.equal((await callApi(service, 'GET', `/v1/products/${grinder.id}`)).stock, 1);
  await closeCustomer(rival);
});

test('a cart with only sold-out items can be emptied', async () => {
  const { page } = customer;
  const product = await createProduct('Last mug', 1_800, 1);
  await openShop(page);
  await addToCart(page, 'Last mug');
  await setStock(product, 0);
  await openCheckoutFromCart(page);

  await page.getByRole('button', { name: 'Empty cart' }).click();

  await page.getByRole('button', { name: 'Cart, 0 items' }).waitFor();
  await page.getByRole('button', { name: 'Sold out: Last mug' }).waitFor();
});

test('a cart can be ordered when its product is back in stock', async () => {
  const { page } = customer;
  const product = await createProduct('Milk jug', 2_600, 1);
  await openShop(page);
  await addToCart(page, 'Milk jug');
  await setStock(product, 0);
  await page.goto(checkoutUrl());
  await waitForHeading(page, 'Some items are out of stock');

  await setStock(product, 1);
  await page.reload();

  await waitForPaymentForm(page);
});

test('both ways to pay fit a phone screen', async () => {
  const phone = await newCustomer(chromium.browser, PHONE);
  const { page } = phone;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await screenshot(page, 'phone-two-ways', { isFullPage: true });
  assert.equal(await hasHorizontalScroll(page), false);
  await goToHostedPage(page, (button) => button.tap());
  await typeCard(page, CARDS.success);
  assert.equal(await hasHorizontalScroll(page), false);
  await screenshot(page, 'phone-hosted-checkout', { isFullPage: true });

  await hostedPayButton(page).tap();

  await waitForThanks(page);
  await screenshot(page, 'phone-hosted-paid');
  assert.equal((await readOrder(order.id)).status, 'paid');
  await closeCustomer(phone);
});

test('both ways to pay render in dark mode', async () => {
  const darkCustomer = await newCustomer(chromium.browser, { colorScheme: 'dark' });
  const { page } = darkCustomer;

  await goToCheckout(page);
  await fillDetails(page);
  await screenshot(page, 'dark-two-ways', { isFullPage: true });
  await goToHostedPage(page);
  await screenshot(page, 'dark-hosted-checkout', { isFullPage: true });

  await closeCustomer(darkCustomer);
});

test('an expired order can be placed again and paid', async () => {
  const { page, order } = expiringCustomer;
  await expiringShop.waitForStatus(order.id, 'expired', 90_000);
  await hostedButton(page).click();
  await waitForHeading(page, 'This order has expired');
  await screenshot(page, 'checkout-expired');

  const placed = expiringShop.nextPlacedOrder(page);
  await page.getByRole('button', { name: 'Order again' }).click();
  const next = await placed;

  assert.notEqual(next.id, order.id);
  await page.goto(`${expiringService.url}/demo/return.html?order=${order.id}`);
  await waitForHeading(page, 'This order has expired');
  await page.getByRole('link', { name: 'Order again' }).click();
  await waitForPaymentForm(page);
  await fillDetails(page);
  await typeCard(page, CARDS.success);
  await payButton(page).click();
  await waitForThanks(page);
  assert.equal((await expiringShop.readOrder(next.id)).status, 'paid');
  await closeCustomer(expiringCustomer);
});
