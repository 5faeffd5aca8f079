// The shop as its customers use it: catalogue, cart, checkout, and the page they come back to.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { PHONE, storefront } from './storefront.mjs';
import {
  CARDS, newCustomer, paymentForm, screenshot, startBrowser, startService, stripe, typeCard, until,
} from './support.mjs';

let service;
let chromium;
let customer;
const {
  openShop, addToCart, goToCheckout, payButton, fillDetails, thanks, orderOf, isStatus, atStripe,
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
afterEach(async () => {
  assert.deepEqual(customer.outside, [], 'nothing is asked of other machines');
  assert.deepEqual(customer.errors, [], 'no error in a page');
  await customer.context.close();
});

test('a customer buys something', async () => {
  const { page } = customer;
  await openShop(page);
  await screenshot(page, 'shop-catalogue', { isWhole: true });
  await addToCart(page, 'Ceramic dripper');
  await page.getByRole('button', { name: 'Cart, 1 item' }).click();
  await page.getByRole('button', { name: 'One more: Ceramic dripper' }).click();
  await page.getByLabel('Quantity 2').waitFor();
  await screenshot(page, 'shop-cart');
  await page.getByRole('button', { name: 'Close cart' }).click();
  const order = await goToCheckout(page, ['Paper filters']);
  assert.equal(order.amount_total, 2 * 2_250 + 490);
  for (const [label, token] of [
    ['Email', 'email'], ['Full name', 'name'], ['Address', 'address-line1'], ['Apartment', 'address-line2'],
    ['Postal code', 'postal-code'], ['City', 'address-level2'], ['Country', 'country'],
  ]) {
    assert.equal(await page.getByLabel(label).first().getAttribute('autocomplete'), token);
  }
  await screenshot(page, 'checkout-empty', { isWhole: true });
  await fillDetails(page);
  await typeCard(page, CARDS.success);
  await screenshot(page, 'checkout-filled', { isWhole: true });
  await payButton(page).click();
  await thanks(page);
  await page.getByText('Receipt to ada@example.com').waitFor();
  await screenshot(page, 'return-paid', { isWhole: true });
  const paid = await orderOf(order.id);
  assert.deepEqual([paid.status, paid.amount_paid], ['paid', 4_990]);
  assert.equal(paid.shipping.address.line1, '12 St James’s Square');
  assert.ok(!page.url().includes('secret'), 'the client secret does not stay in the history');
  await page.getByRole('link', { name: 'Back to the shop' }).click();
  await page.getByRole('button', { name: 'Cart, 0 items' }).waitFor();
});

test('what is missing is marked where it is missing', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await payButton(page).click();
  await page.getByText('Please enter your email address.').waitFor();
  assert.equal(await page.getByLabel('Email').evaluate((node) => node === document.activeElement), true);
  await page.getByLabel('Email').fill('ada@nowhere');
  await page.getByLabel('Full name').focus();
  await page.getByText('Please enter your email address.').waitFor();
  await screenshot(page, 'checkout-errors', { isWhole: true });
  await fillDetails(page);
  await payButton(page).click();
  await paymentForm(page).getByText('Your card number is incomplete.').waitFor();
  assert.equal((await orderOf(order.id)).status, 'pending');
});

test('after a decline another card pays the same order', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.declined);
  await payButton(page).click();
  await page.getByRole('alert').filter({ hasText: 'insufficient funds' }).waitFor();
  await until(() => orderOf(order.id), isStatus('payment_failed'));
  await screenshot(page, 'checkout-declined', { isWhole: true });
  await typeCard(page, CARDS.success);
  await payButton(page).click();
  await thanks(page);
  assert.equal((await orderOf(order.id)).status, 'paid');
  const { intents, charges } = await atStripe(order.id);
  assert.equal(intents.length, 1);
  assert.deepEqual(charges.map(({ status }) => status).sort(), ['failed', 'succeeded']);
});

test('an order that was declined too often is left, and the cart is kept', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.declined);
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const confirmed = page.waitForResponse((response) => response.url().endsWith('/confirm'));
    await payButton(page).click();
    await confirmed;
    await page.getByRole('alert').filter({ hasText: 'insufficient funds' }).waitFor();
  }
  // The API closes the PaymentIntent once it has heard of the last decline.
  await until(async () => (await atStripe(order.id)).intents[0].status, (status) => status === 'canceled');
  await page.reload();
  await page.getByRole('heading', { name: 'Too many tries' }).waitFor();
  await page.getByRole('link', { name: 'Back to the shop' }).click();
  await page.getByRole('button', { name: 'Cart, 2 items' }).waitFor();
  assert.equal((await atStripe(order.id)).charges.filter(({ status }) => status === 'succeeded').length, 0);
});

test('3D Secure, passed', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.threeDSecure);
  await payButton(page).click();
  await page.getByRole('button', { name: 'Complete authentication' }).waitFor();
  await screenshot(page, 'three-d-secure-page');
  await page.getByRole('button', { name: 'Complete authentication' }).click();
  await thanks(page);
  assert.equal((await orderOf(order.id)).status, 'paid');
});

test('3D Secure, failed, and another try', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.threeDSecure);
  await payButton(page).click();
  await page.getByRole('button', { name: 'Fail authentication' }).click();
  await page.getByRole('heading', { name: 'Your payment did not go through' }).waitFor();
  await screenshot(page, 'return-failed', { isWhole: true });
  await page.getByRole('link', { name: 'Try again' }).click();
  await until(() => payButton(page).isEnabled(), (isEnabled) => isEnabled);
  assert.equal(await page.getByLabel('Email').inputValue(), 'ada@example.com', 'nothing is to be typed twice');
  await typeCard(page, CARDS.success);
  await payButton(page).click();
  await thanks(page);
  assert.equal((await orderOf(order.id)).status, 'paid');
  assert.equal((await atStripe(order.id)).intents.length, 1);
});

test('a bank debit is processing, and then paid', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await paymentForm(page).getByRole('tab', { name: 'SEPA debit' }).click();
  // This account never settles by itself within the test: the sandbox is told when.
  await paymentForm(page).getByLabel('IBAN').fill('AT321904300235473204');
  await screenshot(page, 'checkout-debit', { isWhole: true });
  await payButton(page).click();
  await page.getByRole('heading', { name: 'Your payment is on its way' }).waitFor();
  await screenshot(page, 'return-processing', { isWhole: true });
  await until(() => orderOf(order.id), isStatus('processing'));
  const { intents } = await atStripe(order.id);
  await stripe(service, 'POST', `/_sandbox/payment_intents/${intents[0].id}/settle`);
  await thanks(page);
  assert.equal((await orderOf(order.id)).status, 'paid');
});

test('a page that is closed before the redirect loses no payment', async () => {
  const { page, context } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.success);
  const confirmed = page.waitForRequest((request) => request.url().endsWith('/confirm'));
  await payButton(page).click();
  await confirmed;
  await page.close();
  // Whether the request was sent out before the page was gone is the browser's: it is one order, paid or open.
  const back = await context.newPage();
  await back.goto(`${service.url}/demo/#/checkout`);
  await back.getByRole('heading', { name: 'Thank you!' }).or(payButton(back)).waitFor();
  const { intents, charges } = await atStripe(order.id);
  assert.equal(intents.length, 1);
  assert.ok(charges.length <= 1);
  if (charges.length === 1) assert.equal((await until(() => orderOf(order.id), isStatus('paid'))).amount_paid, 2_740);
});

test('a page that is closed as soon as the card is charged finds its order paid', async () => {
  const { page, context } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.success);
  // The page never gets to the return page: the customer's browser is gone when the answer comes.
  await context.route('**/return.html*', (route) => route.abort());
  const confirmed = page.waitForResponse((response) => response.url().endsWith('/confirm'));
  await payButton(page).click();
  await confirmed;
  await page.close();
  await until(() => orderOf(order.id), isStatus('paid'));
  await context.unroute('**/return.html*');
  const back = await context.newPage();
  await back.goto(`${service.url}/demo/#/checkout`);
  await thanks(back);
  assert.equal((await atStripe(order.id)).charges.length, 1);
});

test('a double click on Pay pays once', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.success);
  const confirms = [];
  page.on('request', (request) => { if (request.url().endsWith('/confirm')) confirms.push(request.url()); });
  await payButton(page).dblclick();
  await thanks(page);
  assert.equal(confirms.length, 1);
  const { intents, charges } = await atStripe(order.id);
  assert.deepEqual([intents.length, charges.length], [1, 1]);
  assert.equal((await orderOf(order.id)).amount_paid, 2_740);
});

test('the back button leads to no second payment', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.success);
  await payButton(page).click();
  await thanks(page);
  await page.goBack();
  await page.getByRole('heading', { name: 'Your cart is empty' }).waitFor();
  assert.equal(await payButton(page).count(), 0);
  assert.equal((await atStripe(order.id)).charges.length, 1);
});

test('back from the bank, and with another card', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.threeDSecure);
  await payButton(page).click();
  await page.getByRole('button', { name: 'Complete authentication' }).waitFor();
  await page.goBack();
  await until(() => payButton(page).isEnabled().catch(() => false), (isEnabled) => isEnabled);
  await typeCard(page, CARDS.success);
  await payButton(page).click();
  await thanks(page);
  const { intents, charges } = await atStripe(order.id);
  assert.deepEqual([intents.length, charges.length], [1, 1]);
});

test('the return page works in another browser', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.success);
  const returned = page.waitForRequest((request) => request.url().includes('/return.html'));
  await payButton(page).click();
  const link = (await returned).url();
  await thanks(page);
  const other = await newCustomer(chromium.browser);
  await other.page.goto(link);
  await thanks(other.page);
  assert.equal(await other.page.getByText('ada@example.com').count(), 0, 'who else has the link sees no address');
  // Without the order's id, by what Stripe puts into the address alone.
  const bare = new URL(link);
  bare.searchParams.delete('order');
  await other.page.goto(bare.href);
  await thanks(other.page);
  bare.searchParams.set('payment_intent_client_secret', `${bare.searchParams.get('payment_intent')}_secret_wrong`);
  await other.page.goto(bare.href);
  await other.page.getByRole('heading', { name: 'We can not find this payment' }).waitFor();
  assert.deepEqual([other.outside, other.errors], [[], []]);
  await other.context.close();
  assert.equal((await orderOf(order.id)).status, 'paid');
});

test('a reload keeps the order, another cart is another order', async () => {
  const { page } = customer;
  const first = await goToCheckout(page);
  await page.reload();
  await until(() => payButton(page).isEnabled().catch(() => false), (isEnabled) => isEnabled);
  assert.equal((await atStripe(first.id)).intents.length, 1);
  await page.getByRole('link', { name: 'Back to the shop' }).click();
  const second = await goToCheckout(page, ['Pour-over kettle']);
  assert.notEqual(second.id, first.id);
  assert.equal(second.amount_total, 2_250 + 490 + 6_400);
  await until(() => orderOf(first.id), isStatus('canceled'));
});

test('with the keyboard alone', async () => {
  const { page } = customer;
  await openShop(page);
  await page.getByRole('button', { name: 'Add to cart: Paper filters' }).press('Enter');
  await page.getByRole('button', { name: /^Cart, 1/ }).press('Enter');
  await page.getByRole('button', { name: 'Checkout' }).press('Enter');
  await until(() => payButton(page).isEnabled().catch(() => false), (isEnabled) => isEnabled);
  await page.getByLabel('Email').focus();
  for (const text of ['ada@example.com', 'Ada Lovelace', '12 St James’s Square', '', 'D02 AF30', 'Dublin']) {
    await page.keyboard.type(text);
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Tab');
  // Into the frame: the tab of the card, and the fields behind it. A complete field leads to the next one.
  await page.keyboard.press('Tab');
  await page.keyboard.type(`${CARDS.success}1230123`);
  await page.keyboard.press('Tab');
  assert.equal(await payButton(page).evaluate((node) => node === document.activeElement), true);
  await page.keyboard.press('Enter');
  await thanks(page);
});

test('on a phone', async () => {
  const phone = await newCustomer(chromium.browser, PHONE);
  const { page } = phone;
  const isWide = () => page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  await openShop(page);
  await screenshot(page, 'phone-catalogue');
  assert.equal(await isWide(), false, 'nothing sticks out at the side');
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.success);
  await screenshot(page, 'phone-checkout', { isWhole: true });
  assert.equal(await isWide(), false, 'nothing sticks out at the side');
  await payButton(page).tap();
  await thanks(page);
  await screenshot(page, 'phone-paid');
  assert.equal((await orderOf(order.id)).status, 'paid');
  assert.deepEqual([phone.outside, phone.errors], [[], []]);
  await phone.context.close();
});

test('in the dark', async () => {
  const night = await newCustomer(chromium.browser, { colorScheme: 'dark' });
  await goToCheckout(night.page);
  await fillDetails(night.page);
  await typeCard(night.page, CARDS.success);
  const background = await paymentForm(night.page).getByLabel('Card number').evaluate((node) => getComputedStyle(node).backgroundColor);
  assert.equal(background, 'rgb(42, 36, 32)', 'the form in the frame is dark, too');
  await screenshot(night.page, 'dark-checkout', { isWhole: true });
  await night.page.goto(`${service.url}/demo/`);
  await night.page.getByRole('heading', { name: 'Pour-over kettle' }).waitFor();
  await screenshot(night.page, 'dark-catalogue');
  await night.context.close();
});

test('the docs page needs no internet', async () => {
  const { page } = customer;
  await page.goto(`${service.url}/docs`);
  await page.getByText('/v1/orders/{id}/payment_intent').first().waitFor();
  await screenshot(page, 'docs');
});
