// The shop's other way to pay, on a hosted page; changing between both ways; goods that run out; orders that expire.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { PHONE, storefront } from './storefront.mjs';
import { CARDS, newCustomer, paymentForm, screenshot, startBrowser, startService, stripe, typeCard, until } from './support.mjs';

let service;
let hasty;
let chromium;
let customer;
/** A customer who lets an order of the other service wait: its minute passes while the other tests run. */
let sleeper;
const {
  openShop, addToCart, goToCheckout, payButton, fillDetails, thanks, orderOf, isStatus, atStripe,
} = storefront(() => service);
const hastyShop = storefront(() => hasty);

before(async () => {
  [service, hasty, chromium] = await Promise.all([startService(), startService({ QUITTANCE_ORDER_EXPIRY: '1m' }), startBrowser()]);
  sleeper = await newCustomer(chromium.browser);
  sleeper.order = await hastyShop.goToCheckout(sleeper.page, ['Paper filters']);
  await hastyShop.fillDetails(sleeper.page);
});
after(async () => {
  await chromium?.stop();
  await service?.stop();
  await hasty?.stop();
});
beforeEach(async () => { customer = await newCustomer(chromium.browser); });
afterEach(async () => {
  assert.deepEqual(customer.outside, [], 'nothing is asked of other machines');
  assert.deepEqual(customer.errors, [], 'no error in a page');
  await customer.context.close();
});

const hostedButton = (page) => page.getByRole('button', { name: 'Pay on a hosted page' });
const hostedPay = (page) => page.getByRole('button', { name: 'Pay', exact: true });

/** From the checkout to the hosted page, with its form there. */
async function goToHostedPage(page, press = (button) => button.click()) {
  await press(hostedButton(page));
  await page.waitForURL(`${service.sandbox}/c/pay/**`);
  await paymentForm(page).getByLabel('Card number').waitFor();
}

/** From the catalogue to the hosted page; answers the order. */
async function checkOutThere(page) {
  const order = await goToCheckout(page);
  await fillDetails(page);
  await goToHostedPage(page);
  return order;
}

const canPay = (page) => until(() => payButton(page).isEnabled().catch(() => false), (isEnabled) => isEnabled);
const succeeded = ({ charges }) => charges.filter(({ status }) => status === 'succeeded');
const isFocused = (node) => node === document.activeElement;

/** The Checkout Sessions of an order, newest first. */
async function sessionsOf(orderId) {
  const { data } = await stripe(service, 'GET', '/v1/checkout/sessions', { limit: 100 });
  return data.filter(({ metadata }) => metadata.order_id === orderId);
}

/** Speaks to the API as the back office. */
async function asShop(method, path, body) {
  const answer = await fetch(service.url + path, {
    method, headers: { Authorization: `Bearer ${service.key}`, 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

test('a customer pays on the hosted page', async () => {
  const { page } = customer;
  const order = await goToCheckout(page);
  await hostedButton(page).click();
  await page.getByText('Please enter your email address.').waitFor();
  assert.equal(await page.getByLabel('Email').evaluate(isFocused), true, 'where the goods go is asked for here');
  await fillDetails(page);
  await goToHostedPage(page);
  await page.getByText('Ceramic dripper').waitFor();
  assert.equal(await page.getByLabel('Email').inputValue(), 'ada@example.com', 'nothing is to be typed twice');
  await typeCard(page, CARDS.success);
  await screenshot(page, 'hosted-checkout-filled', { isWhole: true });
  await hostedPay(page).click();
  await thanks(page);
  await page.getByText('Receipt to ada@example.com').waitFor();
  await screenshot(page, 'hosted-checkout-paid', { isWhole: true });
  const [session] = await sessionsOf(order.id);
  assert.equal(new URL(page.url()).search, `?session_id=${session.id}`);
  const paid = await orderOf(order.id);
  assert.deepEqual([paid.status, paid.amount_paid], ['paid', 2_740]);
  const { charges } = await atStripe(order.id);
  assert.deepEqual(charges.map(({ payment_intent, amount }) => [payment_intent, amount]), [[session.payment_intent, 2_740]]);
  await page.getByRole('link', { name: 'Back to the shop' }).click();
  await page.getByRole('button', { name: 'Cart, 0 items' }).waitFor();
});

test('after a decline on the hosted page another card pays there', async () => {
  const { page } = customer;
  const order = await checkOutThere(page);
  await typeCard(page, CARDS.declined);
  await hostedPay(page).click();
  await page.getByRole('alert').filter({ hasText: 'insufficient funds' }).waitFor();
  await until(() => orderOf(order.id), isStatus('payment_failed'));
  await typeCard(page, CARDS.success);
  await hostedPay(page).click();
  await thanks(page);
  assert.equal((await orderOf(order.id)).status, 'paid');
  const { charges } = await atStripe(order.id);
  assert.deepEqual(charges.map(({ status }) => status).sort(), ['failed', 'succeeded']);
});

test('3D Secure on the hosted page', async () => {
  const { page } = customer;
  const order = await checkOutThere(page);
  await typeCard(page, CARDS.threeDSecure);
  await hostedPay(page).click();
  await page.getByRole('button', { name: 'Fail authentication' }).click();
  await page.getByRole('alert').filter({ hasText: 'unable to authenticate' }).waitFor();
  await typeCard(page, CARDS.threeDSecure);
  await hostedPay(page).click();
  await page.getByRole('button', { name: 'Complete authentication' }).click();
  await thanks(page);
  assert.equal((await orderOf(order.id)).status, 'paid');
  assert.equal(succeeded(await atStripe(order.id)).length, 1);
});

test('the cancel link leads back to the checkout, where a card pays', async () => {
  const { page } = customer;
  const order = await checkOutThere(page);
  const hosted = page.url();
  await page.getByRole('link', { name: 'Back to the shop' }).click();
  await page.waitForURL(`${service.url}/demo/#/checkout`);
  await canPay(page);
  assert.equal(await page.getByLabel('City').inputValue(), 'Dublin', 'nothing is to be typed twice');
  assert.deepEqual((await sessionsOf(order.id)).map(({ status }) => status), ['expired'], 'the page is closed at Stripe');
  // What the customer left open elsewhere takes no money any more.
  const other = await customer.context.newPage();
  await other.goto(hosted);
  await other.getByText('This checkout has expired').waitFor();
  await screenshot(other, 'hosted-checkout-closed');
  await typeCard(page, CARDS.success);
  await payButton(page).click();
  await thanks(page);
  assert.equal(succeeded(await atStripe(order.id)).length, 1);
  assert.equal((await orderOf(order.id)).amount_paid, 2_740);
});

test('the back button leads back, too, and on to the hosted page again', async () => {
  const { page } = customer;
  const order = await checkOutThere(page);
  await page.goBack();
  await canPay(page);
  assert.deepEqual((await sessionsOf(order.id)).map(({ status }) => status), ['expired']);
  await goToHostedPage(page);
  await typeCard(page, CARDS.success);
  await hostedPay(page).click();
  await thanks(page);
  // The back button leads to the page of Stripe's that was paid on, and from there to no second payment.
  await page.goto(`${service.url}/demo/#/checkout`);
  await page.getByRole('heading', { name: 'Your cart is empty' }).waitFor();
  assert.deepEqual((await sessionsOf(order.id)).map(({ status }) => status).sort(), ['complete', 'expired']);
  assert.equal(succeeded(await atStripe(order.id)).length, 1);
});

test('two tabs, each with another way to pay, make one charge', async () => {
  const { page, context } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.success);
  const other = await context.newPage();
  await other.goto(`${service.url}/demo/#/checkout`);
  await canPay(other);
  await fillDetails(other);
  await goToHostedPage(other);
  await typeCard(other, CARDS.success);
  // The first tab's payment was closed by the second's.
  await payButton(page).click();
  await page.getByRole('alert').filter({ hasText: 'You began to pay in another window' }).waitFor();
  await canPay(page);
  await screenshot(page, 'checkout-other-window', { isWhole: true });
  assert.equal(succeeded(await atStripe(order.id)).length, 0);
  // And now the second's by the first's.
  await hostedPay(other).click();
  await other.getByRole('alert').filter({ hasText: 'has expired' }).waitFor();
  await typeCard(page, CARDS.success);
  await payButton(page).click();
  await thanks(page);
  await other.goto(`${service.url}/demo/#/checkout`);
  await other.getByRole('heading', { name: 'Your cart is empty' }).waitFor();
  const paid = await orderOf(order.id);
  assert.deepEqual([paid.status, paid.amount_paid, paid.amount_refunded], ['paid', 2_740, 0]);
  assert.equal(succeeded(await atStripe(order.id)).length, 1);
});

test('paying in one tab while the other leaves for the hosted page makes one charge', async () => {
  const { page, context } = customer;
  const order = await goToCheckout(page);
  await fillDetails(page);
  await typeCard(page, CARDS.success);
  const other = await context.newPage();
  await other.goto(`${service.url}/demo/#/checkout`);
  await canPay(other);
  await fillDetails(other);
  await Promise.all([payButton(page).click(), hostedButton(other).click()]);
  // Whichever came first: the card is charged, or the form says that the other tab has taken over.
  const isOver = page.getByRole('heading', { name: 'Thank you!' });
  const isTaken = page.getByRole('alert').filter({ hasText: 'another window' });
  await isOver.or(isTaken).waitFor();
  if (await isTaken.isVisible()) {
    await canPay(page);
    await typeCard(page, CARDS.success);
    await payButton(page).click();
    await isOver.waitFor();
  }
  const paid = await orderOf(order.id);
  assert.deepEqual([paid.status, paid.amount_paid, paid.amount_refunded], ['paid', 2_740, 0]);
  assert.equal(succeeded(await atStripe(order.id)).length, 1);
});

test('the success page works in another browser, and shows it less', async () => {
  const { page } = customer;
  const order = await checkOutThere(page);
  await typeCard(page, CARDS.success);
  await hostedPay(page).click();
  await thanks(page);
  const link = page.url();
  const other = await newCustomer(chromium.browser);
  await other.page.goto(link);
  await thanks(other.page);
  await screenshot(other.page, 'hosted-checkout-other-browser');
  assert.equal(await other.page.getByText('ada@example.com').count(), 0, 'who else has the link sees no address');
  await other.page.goto(`${link}x`);
  await other.page.getByRole('heading', { name: 'We can not find this payment' }).waitFor();
  await other.page.goto(`${service.url}/demo/return.html?order=${order.id}`);
  await other.page.getByRole('heading', { name: 'We can not find this payment' }).waitFor();
  assert.deepEqual([other.outside, other.errors], [[], []]);
  await other.context.close();
});

test('a bank debit on the hosted page is processing in both browsers, then failed in both', async () => {
  const { page } = customer;
  const order = await checkOutThere(page);
  const form = paymentForm(page);
  await form.getByRole('tab', { name: 'SEPA debit' }).click();
  await form.getByLabel('Full name').fill('Ada Lovelace');
  // This account never settles by itself within the test: the sandbox is told when.
  await form.getByLabel('IBAN').fill('AT321904300235473204');
  await hostedPay(page).click();
  const isOnItsWay = (where) => where.getByRole('heading', { name: 'Your payment is on its way' }).waitFor();
  await isOnItsWay(page);
  const other = await newCustomer(chromium.browser);
  await other.page.goto(page.url());
  await isOnItsWay(other.page);
  assert.equal((await orderOf(order.id)).status, 'processing');
  const [{ payment_intent: intent }] = await sessionsOf(order.id);
  await stripe(service, 'POST', `/_sandbox/payment_intents/${intent}/settle`, { outcome: 'failed' });
  const isFailed = (where) => where.getByRole('heading', { name: 'Your payment did not go through' }).waitFor();
  await Promise.all([isFailed(page), isFailed(other.page)]);
  await other.page.getByText('To try again, go back to where you began.').waitFor();
  assert.equal(await other.page.getByRole('link', { name: 'Try again' }).count(), 0);
  await screenshot(page, 'hosted-checkout-failed', { isWhole: true });
  await other.context.close();
});

test('a page that was left for another way to pay says so', async () => {
  const { page } = customer;
  const order = await checkOutThere(page);
  await page.goBack();
  await canPay(page);
  const [{ id }] = await sessionsOf(order.id);
  const other = await newCustomer(chromium.browser);
  await other.page.goto(`${service.url}/demo/return.html?session_id=${id}`);
  await other.page.getByRole('heading', { name: 'This payment page is closed' }).waitFor();
  await other.context.close();
});

test('what is sold out while it is in the cart is named, and the rest can be bought', async () => {
  const { page } = customer;
  const add = (name, unit_amount, stock) => asShop('POST', '/v1/products', { name, description: 'Made by hand', unit_amount, currency: 'eur', stock });
  const [, grinder] = [await add('Walnut scoop', 1_200, 3), await add('Hand grinder', 8_900, 1)];
  await openShop(page);
  await page.getByText('Only 3 left').waitFor();
  for (const name of ['Hand grinder', 'Walnut scoop', 'Walnut scoop', 'Paper filters']) {
    await addToCart(page, name);
  }
  await page.getByRole('button', { name: 'In your cart: Hand grinder' }).press('Enter');
  await page.getByRole('button', { name: 'Cart, 4 items' }).waitFor();
  await screenshot(page, 'stock-catalogue', { isWhole: true });
  // Somebody else takes the grinder and two of the scoops.
  const rival = await newCustomer(chromium.browser);
  await goToCheckout(rival.page, ['Hand grinder', 'Walnut scoop', 'Walnut scoop']);
  await page.getByRole('button', { name: 'Cart, 4 items' }).click();
  await page.getByRole('button', { name: 'Checkout' }).click();
  const heading = page.getByRole('heading', { name: 'There is not enough left' });
  await heading.waitFor();
  assert.equal(await heading.evaluate(isFocused), true);
  const rows = await page.getByRole('listitem').allInnerTexts();
  assert.deepEqual(rows.map((row) => row.split('\n')), [
    ['Hand grinder', 'Sold out', '1 in your cart'], ['Walnut scoop', 'Only 1 left', '2 in your cart'],
  ]);
  await screenshot(page, 'stock-shortage');
  await page.getByRole('link', { name: 'Back to the shop' }).click();
  const soldOut = page.getByRole('button', { name: 'Sold out: Hand grinder' });
  await soldOut.waitFor();
  assert.equal(await soldOut.isDisabled(), true);
  await page.getByRole('button', { name: 'Cart, 4 items' }).click();
  await screenshot(page, 'stock-cart');
  await page.getByRole('button', { name: 'Checkout' }).click();
  await page.getByRole('button', { name: 'Go on with what is left' }).click();
  await canPay(page);
  const summary = await page.getByRole('complementary').innerText();
  assert.ok(summary.includes('Walnut scoop') && summary.includes('€16.90') && !summary.includes('Hand grinder'), summary);
  // What this customer's own order holds is not sold out for them.
  await page.getByRole('link', { name: 'Back to the shop' }).click();
  await page.getByRole('button', { name: 'In your cart: Walnut scoop' }).waitFor();
  // The rival gives up: the grinder is for sale again.
  await rival.page.getByRole('link', { name: 'Back to the shop' }).click();
  await rival.page.getByRole('button', { name: /^Cart/ }).click();
  await rival.page.getByRole('button', { name: 'One less: Hand grinder' }).click();
  await rival.page.getByRole('button', { name: 'Checkout' }).click();
  await canPay(rival.page);
  await page.reload();
  await page.getByRole('button', { name: 'Add to cart: Hand grinder' }).waitFor();
  assert.equal((await asShop('GET', `/v1/products/${grinder.id}`)).stock, 1);
  await rival.context.close();
});

test('all that was wanted is sold out', async () => {
  const { page } = customer;
  const { id } = await asShop('POST', '/v1/products', { name: 'Last mug', unit_amount: 1_800, currency: 'eur', stock: 1 });
  await openShop(page);
  await addToCart(page, 'Last mug');
  await asShop('PATCH', `/v1/products/${id}`, { stock: 0 });
  await page.getByRole('button', { name: /^Cart, 1/ }).click();
  await page.getByRole('button', { name: 'Checkout' }).click();
  await page.getByRole('button', { name: 'Empty the cart' }).click();
  await page.getByRole('button', { name: 'Cart, 0 items' }).waitFor();
  await page.getByRole('button', { name: 'Sold out: Last mug' }).waitFor();
});

test('what is there again can be bought with the same cart', async () => {
  const { page } = customer;
  const { id } = await asShop('POST', '/v1/products', { name: 'Milk jug', unit_amount: 2_600, currency: 'eur', stock: 1 });
  await openShop(page);
  await addToCart(page, 'Milk jug');
  await asShop('PATCH', `/v1/products/${id}`, { stock: 0 });
  await page.goto(`${service.url}/demo/#/checkout`);
  await page.getByRole('heading', { name: 'There is not enough left' }).waitFor();
  await asShop('PATCH', `/v1/products/${id}`, { stock: 1 });
  await page.reload();
  await canPay(page);
});

test('on a phone', async () => {
  const phone = await newCustomer(chromium.browser, PHONE);
  const { page } = phone;
  const isWide = () => page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  const order = await goToCheckout(page);
  await fillDetails(page);
  await screenshot(page, 'phone-two-ways', { isWhole: true });
  assert.equal(await isWide(), false, 'nothing sticks out at the side');
  await goToHostedPage(page, (button) => button.tap());
  await typeCard(page, CARDS.success);
  assert.equal(await isWide(), false, 'nothing sticks out at the side');
  await screenshot(page, 'phone-hosted-checkout', { isWhole: true });
  await hostedPay(page).tap();
  await thanks(page);
  await screenshot(page, 'phone-hosted-paid');
  assert.equal((await orderOf(order.id)).status, 'paid');
  assert.deepEqual([phone.outside, phone.errors], [[], []]);
  await phone.context.close();
});

test('in the dark', async () => {
  const night = await newCustomer(chromium.browser, { colorScheme: 'dark' });
  await goToCheckout(night.page);
  await fillDetails(night.page);
  await screenshot(night.page, 'dark-two-ways', { isWhole: true });
  await goToHostedPage(night.page);
  await screenshot(night.page, 'dark-hosted-checkout', { isWhole: true });
  await night.context.close();
});

test('an order that was not paid in time is offered to be placed again', async () => {
  const { page, order } = sleeper;
  await until(() => hastyShop.orderOf(order.id), isStatus('expired'), 90_000);
  await hostedButton(page).click();
  await page.getByRole('heading', { name: 'This order has expired' }).waitFor();
  await screenshot(page, 'checkout-expired');
  const again = page.waitForResponse((response) => response.url().endsWith('/v1/orders') && response.request().method() === 'POST');
  await page.getByRole('button', { name: 'Place the order again' }).click();
  const next = await (await again).json();
  assert.notEqual(next.id, order.id);
  await page.goto(`${hasty.url}/demo/return.html?order=${order.id}`);
  await page.getByRole('heading', { name: 'This order has expired' }).waitFor();
  await page.getByRole('link', { name: 'Place the order again' }).click();
  await canPay(page);
  await hastyShop.fillDetails(page);
  await typeCard(page, CARDS.success);
  await payButton(page).click();
  await thanks(page);
  assert.equal((await hastyShop.orderOf(next.id)).status, 'paid');
  assert.deepEqual([sleeper.outside, sleeper.errors], [[], []]);
  await sleeper.context.close();
});
