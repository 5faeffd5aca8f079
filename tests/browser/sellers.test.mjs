// The seller page, as a platform and its sellers use it, and the shop that sells their products.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { PHONE, storefront } from './storefront.mjs';
import {
  CARDS, callApi, closeCustomer, hasHorizontalScroll, isFocused, newCustomer, paymentForm, screenshot, startBrowser, startService,
  stripe, typeCard, waitUntil,
} from './support.mjs';

let service;
let chromium;
let user;
const {
  openShop, addToCart, openCheckoutFromCart, goToCheckout, payButton, waitForPaymentForm, fillDetails, fillCheckout, buy,
  waitForThanks, readOrder, waitForStatus, readStripe,
} = storefront(() => service);

before(async () => {
  service = await startService();
  chromium = await startBrowser();
});
after(async () => {
  await chromium?.stop();
  await service?.stop();
});
beforeEach(async () => { user = await newCustomer(chromium.browser); });
afterEach(() => closeCustomer(user));

const sellerPageUrl = () => `${service.url}/demo/sellers.html`;
const connectButton = (page) => page.getByRole('button', { name: 'Connect with Stripe' });
const waitForAlert = (page, text) => page.getByRole('alert').filter({ hasText: text }).waitFor();
const waitForSellerName = (page, name) => page.getByRole('heading', { level: 1, name }).waitFor();
const listSellers = async () => (await callApi(service, 'GET', '/v1/sellers?limit=100')).data;

async function enterKey(page) {
  await page.getByLabel('Secret key').fill(service.key);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('heading', { name: 'Sellers', exact: true }).waitFor();
}

async function openSellerPage(page) {
  await page.goto(sellerPageUrl());
  await enterKey(page);
  await connectButton(page).waitFor();
}

/** Goes from the seller page to Stripe's OAuth page, and fills in a new account. */
async function goToOAuth(page, name, press = (button) => button.click()) {
  await press(connectButton(page));
  await page.waitForURL(`${service.sandbox}/oauth/authorize?**`);
  await page.getByLabel('Business name').fill(name);
  await page.getByLabel('Country').fill('DE');
}

const grantAccess = (page) => page.getByRole('button', { name: 'Connect my account' }).click();

/** Reads the shown seller from the API. */
async function readShownSeller(page) {
  await page.getByRole('table', { name: 'Readiness' }).waitFor();
  const id = new URL(page.url()).hash.slice('#/'.length);
  return callApi(service, 'GET', `/v1/sellers/${id}`);
}

/** Connects a new account. Returns the seller. */
async function connect(page, name) {
  await openSellerPage(page);
  await goToOAuth(page, name);
  await grantAccess(page);
  await waitForSellerName(page, name);
  return readShownSeller(page);
}

async function openSeller(page, { id }) {
  await page.goto(`${sellerPageUrl()}#/${id}`);
  await page.getByRole('table', { name: 'Readiness' }).waitFor();
}

/** Returns the readiness table's cell for an API field. */
const field = (page, name) => page.getByRole('row')
  .filter({ has: page.getByRole('rowheader').getByText(name, { exact: true }) }).getByRole('cell');

/** Waits until the readiness table shows these texts. */
async function waitForFields(page, fields) {
  for (const [name, text] of Object.entries(fields)) {
    await waitUntil(() => field(page, name).innerText(), (shown) => (text instanceof RegExp ? text.test(shown) : shown === text))
      .catch((error) => { throw new Error(`${name}: ${error.message}`); });
  }
}

async function setTerms(page, { chargeType, points, fixed = 0, minimum = 0 }) {
  await page.getByLabel('Charge customers on').selectOption(chargeType);
  await page.getByLabel('Fee in basis points').fill(String(points));
  await page.getByLabel('Fixed fee').fill(String(fixed));
  await page.getByLabel('Minimum fee').fill(String(minimum));
  await page.getByRole('button', { name: 'Save terms' }).click();
  await waitForFields(page, {
    charge_type: new RegExp(`\\(${chargeType}\\)`), fee_basis_points: String(points), fee_fixed: String(fixed), fee_minimum: String(minimum),
  });
}

async function addProduct(page, name, price) {
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('Price').fill(price);
  await page.getByRole('button', { name: 'Add product' }).click();
  await page.getByRole('listitem').filter({ hasText: name }).waitFor();
}

/** Connects a seller and adds a product for €42.00. Returns the seller. */
async function connectWithProduct(page, name, product, terms = undefined) {
  const seller = await connect(page, name);
  await addProduct(page, product, '42.00');
  if (terms) await setTerms(page, terms);
  return seller;
}

/** Buys one product in the Payment Element. Returns the paid order. */
async function buyProduct(page, product) {
  const { id } = await buy(page, [product]);
  const order = await readOrder(id);
  assert.deepEqual([order.status, order.amount_paid], ['paid', 4_200]);
  return order;
}

const readFees = async (chargeId) => (await stripe(service, 'GET', '/v1/application_fees', { limit: 100 })).data
  .filter(({ charge }) => charge === chargeId);
const readTransfers = async (chargeId) => (await stripe(service, 'GET', '/v1/transfers', { limit: 100 })).data
  .filter(({ source_transaction }) => source_transaction === chargeId);

const refund = (order, params) => callApi(service, 'POST', `/v1/orders/${order.id}/refunds`, params);

/** Restricts an account at Stripe. */
const restrict = (accountId) => stripe(service, 'POST', `/_sandbox/accounts/${accountId}`, {
  charges_enabled: false, payouts_enabled: false,
  'requirements[currently_due][0]': 'individual.verification.document', 'requirements[past_due][0]': 'external_account',
  'requirements[eventually_due][0]': 'individual.verification.document', 'requirements[pending_verification][0]': 'individual.id_number',
  'requirements[disabled_reason]': 'requirements.past_due', 'requirements[current_deadline]': 1_900_000_000,
});

test('the shop links to the seller page, which explains why it needs the key', async () => {
  const { page } = user;
  await openShop(page);

  await page.getByRole('link', { name: 'Manage sellers' }).click();

  const key = page.getByLabel('Secret key');
  assert.deepEqual([await key.getAttribute('type'), await key.getAttribute('autocomplete')], ['password', 'off']);
  await page.getByText('A real platform calls these routes from its server.').waitFor();
  await screenshot(page, 'sellers-key');
});

test('a wrong key shows an error', async () => {
  const { page } = user;
  await page.goto(sellerPageUrl());

  await page.getByLabel('Secret key').fill('sk_wrong');
  await page.getByRole('button', { name: 'Open' }).click();

  await page.getByRole('alert').filter({ hasText: /\w/ }).waitFor();
});

/** Whether a browser storage contains the secret key. */
const isKeyStored = (page, storage) =>
  page.evaluate(([name, key]) => JSON.stringify(window[name]).includes(key), [storage, service.key]);

test('the key is stored only in the tab’s session', async () => {
  const { page, context } = user;

  await openSellerPage(page);

  assert.deepEqual([await isKeyStored(page, 'sessionStorage'), await isKeyStored(page, 'localStorage')], [true, false]);
  assert.deepEqual(await context.cookies(), []);
});

test('the key can be removed', async () => {
  const { page } = user;
  await openSellerPage(page);

  await page.getByRole('button', { name: 'Remove key' }).click();

  await waitForAlert(page, 'The key was removed.');
  assert.equal(await isKeyStored(page, 'sessionStorage'), false);
});

test('the OAuth request contains the redirect URI and a random state', async () => {
  const { page } = user;
  await openSellerPage(page);

  await goToOAuth(page, 'Ada’s Pottery');

  const params = new URL(page.url()).searchParams;
  assert.equal(params.get('redirect_uri'), sellerPageUrl());
  assert.match(params.get('state'), /^[\w-]{43}$/);
});

test('a connected seller shows every readiness field', async () => {
  const { page } = user;

  const seller = await connect(page, 'Ada’s Pottery');

  assert.match(seller.account_id, /^acct_/);
  await waitForFields(page, {
    account_id: seller.account_id, origin: 'Connected by its owner', connected: 'Yes', details_submitted: 'Yes', charges_enabled: 'Yes',
    payouts_enabled: 'Yes', ready: 'Yes', blockers: 'none', next_action: 'No action needed. This seller can sell.', can_unlink: 'No',
    checked_at: /\d/, display_name: 'Ada’s Pottery', country: 'DE', currency: 'EUR', currently_due: 'none', current_deadline: 'none',
    past_due: 'none', pending_verification: 'none', eventually_due: 'none', disabled_reason: 'none',
    charge_type: 'The seller’s account (direct)', fee_basis_points: '0', fee_fixed: '0', fee_minimum: '0',
  });
  await screenshot(page, 'sellers-ready', { isFullPage: true });
});

test('the code and state are removed from the URL', async () => {
  const { page } = user;

  await connect(page, 'Abe’s Ales');

  assert.equal(new URL(page.url()).search, '');
});

test('a refresh shows new requirements and the restriction', async () => {
  const { page } = user;
  const seller = await connect(page, 'Art’s Attic');
  await restrict(seller.account_id);

  await page.getByRole('button', { name: 'Refresh from Stripe' }).click();

  await waitForFields(page, {
    ready: 'No', charges_enabled: 'No', payouts_enabled: 'No', blockers: /can’t accept payments[^]*can’t receive payouts/,
    currently_due: 'individual.verification.document', past_due: 'external_account', eventually_due: 'individual.verification.document',
    pending_verification: 'individual.id_number', disabled_reason: 'requirements.past_due', current_deadline: /2030/,
    can_unlink: 'Yes', next_action: /^Provide the information that Stripe requires\. Deadline: .*2030/,
  });
  await screenshot(page, 'sellers-restricted', { isFullPage: true });
});

test('the list shows a restricted seller as not ready', async () => {
  const { page } = user;
  const seller = await connect(page, 'Amy’s Apples');
  await restrict(seller.account_id);
  await page.getByRole('button', { name: 'Refresh from Stripe' }).click();
  await waitForFields(page, { ready: 'No' });

  await page.getByRole('link', { name: 'All sellers' }).click();

  await page.getByRole('link', { name: /Amy’s Apples.*Not ready/ }).waitFor();
});

test('a product shows its seller in the shop', async () => {
  const { page } = user;
  await connectWithProduct(page, 'Ben Bakes', 'Spelt loaf');

  await openShop(page);

  await page.getByText('Sold by Ben Bakes').waitFor();
});

const FEES = { points: 1_000, fixed: 50, minimum: 100 };

test('a direct charge pays the seller and collects the platform’s fee', async () => {
  const { page } = user;
  const seller = await connectWithProduct(page, 'Bea Bakes', 'Rye loaf', { chargeType: 'direct', ...FEES });

  const order = await buyProduct(page, 'Rye loaf');

  assert.deepEqual([order.seller_id, order.charge_type, order.application_fee_amount], [seller.id, 'direct', 470]);
  const { charges: [charge] } = await readStripe(order.id, seller.account_id);
  assert.deepEqual([charge.amount, charge.application_fee_amount], [4_200, 470]);
  assert.equal((await readStripe(order.id)).charges.length, 0, 'the platform’s account has no charge');
  const fees = await readFees(charge.id);
  assert.deepEqual(fees.map(({ amount, account }) => [amount, account]), [[470, seller.account_id]]);
});

test('a full refund of a direct charge refunds the fee', async () => {
  const { page } = user;
  const seller = await connectWithProduct(page, 'Bob Bakes', 'Oat loaf', { chargeType: 'direct', ...FEES });
  const order = await buyProduct(page, 'Oat loaf');

  await refund(order, {});

  await waitForStatus(order.id, 'refunded');
  const { charges: [charge] } = await readStripe(order.id, seller.account_id);
  const [fee] = await readFees(charge.id);
  assert.equal(charge.amount_refunded, 4_200);
  assert.deepEqual([fee.amount_refunded, fee.refunded], [470, true]);
});

test('a destination charge pays the platform and transfers the amount to the seller', async () => {
  const { page } = user;
  const seller = await connectWithProduct(page, 'Cid Crafts', 'Walnut spoon', { chargeType: 'destination', ...FEES });

  const order = await buyProduct(page, 'Walnut spoon');

  assert.deepEqual([order.seller_id, order.charge_type, order.application_fee_amount], [seller.id, 'destination', 470]);
  const { charges: [charge] } = await readStripe(order.id);
  assert.deepEqual([charge.amount, charge.transfer_data.destination], [4_200, seller.account_id]);
  assert.equal((await readStripe(order.id, seller.account_id)).intents.length, 0, 'the seller’s account has no PaymentIntent');
  const transfers = await readTransfers(charge.id);
  assert.deepEqual(transfers.map(({ amount, destination }) => [amount, destination]), [[4_200, seller.account_id]]);
  const fees = await readFees(transfers[0].destination_payment);
  assert.deepEqual(fees.map(({ amount, account }) => [amount, account]), [[470, seller.account_id]]);
});

/** Buys a product by destination charge. Returns the order, and a function that reads the reversed and refunded amounts. */
async function buyByDestinationCharge(page, name, product) {
  await connectWithProduct(page, name, product, { chargeType: 'destination', ...FEES });
  const order = await buyProduct(page, product);
  const readReversals = async () => {
    const { charges: [charge] } = await readStripe(order.id);
    const [transfer] = await readTransfers(charge.id);
    const [fee] = await readFees(transfer.destination_payment);
    return [transfer.amount_reversed, fee.amount_refunded];
  };
  return { order, readReversals };
}

test('a partial refund of a destination charge reverses transfer and fee proportionally', async () => {
  const { order, readReversals } = await buyByDestinationCharge(user.page, 'Cal Crafts', 'Cherry spoon');

  await refund(order, { amount: 2_100 });

  await waitForStatus(order.id, 'partially_refunded');
  assert.deepEqual(await readReversals(), [2_100, 235]);
});

test('a refund at the platform’s expense keeps transfer and fee', async () => {
  const { order, readReversals } = await buyByDestinationCharge(user.page, 'Cat Crafts', 'Maple spoon');

  await refund(order, { reverse_transfer: false, refund_application_fee: false });

  await waitForStatus(order.id, 'refunded');
  assert.deepEqual(await readReversals(), [0, 0]);
});

test('new terms apply only to new orders', async () => {
  const { page } = user;
  const seller = await connectWithProduct(page, 'Dot Designs', 'Linen cloth', { chargeType: 'direct', points: 500 });
  const first = await buyProduct(page, 'Linen cloth');
  await openSeller(page, seller);

  await setTerms(page, { chargeType: 'destination', points: 250 });
  const second = await buyProduct(page, 'Linen cloth');

  const readTerms = async ({ id }) => {
    const order = await readOrder(id);
    return [order.charge_type, order.application_fee_amount];
  };
  assert.deepEqual([await readTerms(first), await readTerms(second)], [['direct', 210], ['destination', 105]]);
  assert.equal((await readStripe(first.id, seller.account_id)).charges.length, 1);
  assert.equal((await readStripe(second.id)).charges.length, 1);
});

test('a direct charge can be paid on the hosted page', async () => {
  const { page } = user;
  const seller = await connectWithProduct(page, 'Eve Edits', 'Notebook', { chargeType: 'direct', points: 1_000 });
  const { id } = await goToCheckout(page, ['Notebook']);
  await fillDetails(page);
  await page.getByRole('button', { name: 'Pay on a hosted page' }).click();
  await page.waitForURL(`${service.sandbox}/c/pay/**`);
  await paymentForm(page).getByLabel('Card number').waitFor();
  await typeCard(page, CARDS.success);
  await screenshot(page, 'sellers-hosted', { isFullPage: true });

  await page.getByRole('button', { name: 'Pay', exact: true }).click();

  await waitForThanks(page);
  assert.equal((await readOrder(id)).status, 'paid');
  const { succeeded } = await readStripe(id, seller.account_id);
  assert.deepEqual(succeeded.map(({ amount, application_fee_amount }) => [amount, application_fee_amount]), [[4_200, 420]]);
  assert.deepEqual((await readFees(succeeded[0].id)).map(({ amount }) => amount), [420]);
});

/** Disconnects an account at Stripe, and waits until the API knows. */
async function disconnectAtStripe(seller) {
  await stripe(service, 'POST', `/_sandbox/accounts/${seller.account_id}/disconnect`);
  await waitUntil(() => callApi(service, 'GET', `/v1/sellers/${seller.id}`), ({ connected }) => !connected);
}

const waitForSellerUnavailable = (page) =>
  page.getByRole('heading', { name: 'This seller can’t accept payments right now' }).waitFor();

test('a new checkout with a disconnected seller charges nothing', async () => {
  const { page } = user;
  const seller = await connectWithProduct(page, 'Fay Frames', 'Oak frame');
  await disconnectAtStripe(seller);
  await openShop(page);
  await addToCart(page, 'Oak frame');

  await openCheckoutFromCart(page);

  await waitForSellerUnavailable(page);
  await page.getByText('You weren’t charged, and your cart is saved.').waitFor();
  await screenshot(page, 'sellers-shop-closed');
});

test('an open checkout with a disconnected seller charges nothing', async () => {
  const seller = await connectWithProduct(user.page, 'Flo Frames', 'Ash frame');
  const customer = await newCustomer(chromium.browser);
  const order = await fillCheckout(customer.page, CARDS.success, ['Ash frame']);
  await disconnectAtStripe(seller);

  await payButton(customer.page).click();

  await waitForSellerUnavailable(customer.page);
  assert.notEqual((await readOrder(order.id)).status, 'paid');
  await closeCustomer(customer);
});

test('the seller page shows that a seller is disconnected', async () => {
  const { page } = user;
  const seller = await connect(page, 'Fin Frames');
  await disconnectAtStripe(seller);

  await page.reload();

  await waitForFields(page, { connected: 'No', ready: 'No', blockers: 'The account isn’t connected.' });
  await page.getByText('The platform no longer uses this account.').waitFor();
  await screenshot(page, 'sellers-disconnected', { isFullPage: true });
});

test('a reconnected account keeps its seller and can sell again', async () => {
  const { page } = user;
  const seller = await connectWithProduct(page, 'Fox Frames', 'Elm frame');
  await disconnectAtStripe(seller);
  await page.reload();

  await goToOAuth(page, 'not used');
  await page.getByLabel(seller.account_id).check();
  await grantAccess(page);

  await waitForSellerName(page, 'Fox Frames');
  const { id, ready } = await readShownSeller(page);
  assert.deepEqual([id, ready], [seller.id, true]);
  await goToCheckout(page, ['Elm frame']);
});

test('an owner who denies access sees that nothing changed', async () => {
  const { page } = user;
  const before = (await listSellers()).length;
  await openSellerPage(page);
  await goToOAuth(page, 'Unused');

  await page.getByRole('button', { name: 'Deny' }).click();

  await waitForAlert(page, 'You didn’t connect your account, and nothing changed.');
  assert.equal(page.url(), sellerPageUrl());
  await screenshot(page, 'sellers-denied');
  assert.equal((await listSellers()).length, before);
});

/** Grants access, but stops the redirect. Returns its URL. */
async function interceptRedirect(page, name) {
  await openSellerPage(page);
  let redirectUrl;
  await goToOAuth(page, name);
  await page.route(`${service.sandbox}/oauth/authorize`, async (route) => {
    redirectUrl = (await route.fetch({ maxRedirects: 0 })).headers().location;
    await route.fulfill({ contentType: 'text/html', body: 'Connection lost.' });
  });
  await grantAccess(page);
  await page.getByText('Connection lost.').waitFor();
  assert.ok(redirectUrl.startsWith(`${sellerPageUrl()}?`));
  return redirectUrl;
}

test('a redirect opened by another user connects nothing', async () => {
  const redirectUrl = await interceptRedirect(user.page, 'Gil Glass');
  const before = (await listSellers()).length;
  const stranger = await newCustomer(chromium.browser);

  await stranger.page.goto(redirectUrl);
  await enterKey(stranger.page);

  await waitForAlert(stranger.page, 'This connection was started by another user, or in another window. No account was connected.');
  assert.equal((await listSellers()).length, before);
  await closeCustomer(stranger);
});

test('a redirect still works for its user after another user opened it', async () => {
  const { page } = user;
  const redirectUrl = await interceptRedirect(page, 'Gus Glass');
  const before = (await listSellers()).length;
  const stranger = await newCustomer(chromium.browser);
  await stranger.page.goto(redirectUrl);
  await enterKey(stranger.page);
  await waitForAlert(stranger.page, 'No account was connected.');

  await page.goto(redirectUrl);

  await waitForSellerName(page, 'Gus Glass');
  assert.equal((await listSellers()).length, before + 1);
  await closeCustomer(stranger);
});

test('a redirect opened twice connects once', async () => {
  const { page } = user;
  const redirectUrl = await interceptRedirect(page, 'Gwen Glass');
  await page.goto(redirectUrl);
  await waitForSellerName(page, 'Gwen Glass');
  const before = (await listSellers()).length;

  await page.goto(redirectUrl);

  await waitForAlert(page, 'This link was already used. To connect an account, please start again. No account was connected.');
  assert.equal(new URL(page.url()).search, '');
  await screenshot(page, 'sellers-again');
  assert.equal((await listSellers()).length, before);
});

for (const query of [`code=ac_1&state=${'x'.repeat(43)}`, 'code=ac_1']) {
  test(`a forged redirect with ${query} connects nothing`, async () => {
    const { page } = user;
    await openSellerPage(page);
    const before = (await listSellers()).length;

    await page.goto(`${sellerPageUrl()}?${query}`);

    await waitForAlert(page, 'This link doesn’t match any connection that was started here. No account was connected.');
    assert.equal((await listSellers()).length, before);
  });
}

/** Creates an account on the seller page. Waits for Stripe's onboarding page and returns its URL. */
async function createAccount(page) {
  await openSellerPage(page);
  await page.getByLabel('Seller’s email').fill('hal@example.com');
  await page.getByLabel('Seller’s country').selectOption('DE');
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.waitForURL(`${service.sandbox}/setup/**`);
  return page.url();
}

async function leaveOnboarding(page) {
  await page.getByRole('button', { name: 'Leave for now' }).click();
  await waitForSellerName(page, 'Unnamed seller');
}

test('a lost response to the creation of an account creates one account', async () => {
  const { page } = user;
  const before = (await listSellers()).length;
  await page.route(`${service.url}/v1/sellers`, async (route) => {
    await route.fetch();
    await route.abort();
  }, { times: 1 });

  await createAccount(page);

  assert.equal((await listSellers()).length, before + 1);
});

test('a seller who leaves the onboarding isn’t ready', async () => {
  const { page } = user;
  await createAccount(page);

  await leaveOnboarding(page);

  assert.equal(new URL(page.url()).search, '');
  await waitForFields(page, {
    origin: 'Created by the platform', connected: 'Yes', ready: 'No', details_submitted: 'No', charges_enabled: 'No', country: 'DE',
    currently_due: /external_account/, can_unlink: 'Yes', next_action: 'Complete the onboarding on Stripe.',
  });
  await screenshot(page, 'sellers-new', { isFullPage: true });
});

test('a used onboarding link redirects to a new one', async () => {
  const { page } = user;
  const link = await createAccount(page);
  await leaveOnboarding(page);

  await page.goto(link);

  await page.waitForURL((url) => url.href.startsWith(`${service.sandbox}/setup/`) && url.href !== link);
});

/** Submits the onboarding form. Stripe then verifies the details. */
async function submitOnboarding(page, name) {
  await page.getByLabel('Business name').fill(name);
  await page.getByRole('button', { name: 'Submit with verification pending' }).click();
  await waitForSellerName(page, name);
}

test('a submitted account waits for verification', async () => {
  const { page } = user;
  await createAccount(page);

  await submitOnboarding(page, 'Hal’s Honey');

  await waitForFields(page, { ready: 'No', next_action: 'Wait until Stripe has verified the information.' });
});

test('a verified account can sell', async () => {
  const { page } = user;
  await createAccount(page);
  await submitOnboarding(page, 'Hob’s Honey');
  const { account_id } = await readShownSeller(page);
  await stripe(service, 'POST', `/_sandbox/accounts/${account_id}`, {
    charges_enabled: true, payouts_enabled: true, requirements: '',
    'capability_status[card_payments]': 'active', 'capability_status[transfers]': 'active',
  });

  await page.getByRole('button', { name: 'Refresh from Stripe' }).click();

  await waitForFields(page, { ready: 'Yes', next_action: 'No action needed. This seller can sell.' });
  await addProduct(page, 'Heather honey', '42.00');
  await buyProduct(page, 'Heather honey');
});

const forceCheckbox = (page) => page.getByLabel('Disconnect anyway');
const disconnectButton = (page) => page.getByRole('button', { name: 'Disconnect…' });
const disconnectDialog = (page) => page.getByRole('dialog', { name: /^Disconnect / });

test('disconnecting a ready seller requires force', async () => {
  const { page } = user;
  await connect(page, 'Ian Ink');

  await disconnectButton(page).click();

  assert.equal(await forceCheckbox(page).evaluate((box) => box.validity.valueMissing), true);
  assert.equal(await disconnectDialog(page).count(), 0);
});

test('canceling the confirmation keeps the seller connected', async () => {
  const { page } = user;
  await connect(page, 'Ida Ink');
  await forceCheckbox(page).check();
  await disconnectButton(page).click();
  await screenshot(page, 'sellers-disconnect');

  await disconnectDialog(page).getByRole('button', { name: 'Cancel' }).click();

  await disconnectDialog(page).waitFor({ state: 'detached' });
  assert.equal((await readShownSeller(page)).connected, true);
});

test('disconnecting a seller cancels its open orders', async () => {
  const { page } = user;
  const seller = await connectWithProduct(page, 'Ivy Ink', 'Blue ink');
  const customer = await newCustomer(chromium.browser);
  const order = await goToCheckout(customer.page, ['Blue ink']);
  await forceCheckbox(page).check();
  await disconnectButton(page).click();

  await disconnectDialog(page).getByRole('button', { name: 'Disconnect' }).click();

  await page.getByRole('heading', { name: 'Disconnected' }).waitFor();
  await waitForFields(page, { connected: 'No', ready: 'No' });
  await waitForStatus(order.id, 'canceled');
  const { error } = await stripe(service, 'GET', '/v1/charges', {}, seller.account_id);
  assert.equal(error.code, 'account_invalid', 'the platform has no access to the account');
  await customer.page.reload();
  await waitForSellerUnavailable(customer.page);
  await closeCustomer(customer);
});

test('a product of another seller can’t be added to the cart', async () => {
  const { page } = user;
  await connectWithProduct(page, 'Jim Jam', 'Pear jam');
  await openShop(page);
  await addToCart(page, 'Pear jam');

  await addToCart(page, 'Ceramic dripper');

  await page.getByRole('listitem').filter({ hasText: 'Ceramic dripper' }).getByText('Your cart has items from another seller.').waitFor();
  await page.getByRole('button', { name: 'Cart, 1 item' }).waitFor();
});

/** Fills the cart with two products of a seller. Then the API assigns one of them to the platform. */
async function fillCartWithMixedSellers(page, name, kept, moved) {
  const seller = await connectWithProduct(page, name, kept);
  await addProduct(page, moved, '42.00');
  await openShop(page);
  await addToCart(page, kept);
  await addToCart(page, moved);
  await page.getByRole('button', { name: 'Cart, 2 items' }).waitFor();
  const { data } = await callApi(service, 'GET', '/v1/products?limit=100');
  const product = data.find((item) => item.name === moved && item.seller_id === seller.id);
  await callApi(service, 'PATCH', `/v1/products/${product.id}`, { seller_id: null });
}

test('the checkout rejects a cart with two sellers', async () => {
  const { page } = user;
  await fillCartWithMixedSellers(page, 'Jon Jam', 'Plum jam', 'Fig jam');

  await openCheckoutFromCart(page);

  await page.getByRole('heading', { name: 'Your cart has items from different sellers' }).waitFor();
  await page.getByText('An order can have only one seller.').waitFor();
  await page.getByText('From another seller').waitFor();
  await screenshot(page, 'sellers-mixed');
});

test('a customer continues without the items of another seller', async () => {
  const { page } = user;
  await fillCartWithMixedSellers(page, 'Joy Jam', 'Quince jam', 'Date jam');
  await openCheckoutFromCart(page);

  await page.getByRole('button', { name: 'Continue without these items' }).click();

  await waitForPaymentForm(page);
  const items = page.getByRole('complementary', { name: 'Your order' }).getByRole('listitem');
  assert.deepEqual((await items.allInnerTexts()).map((text) => text.split('\n')[0]), ['Quince jam']);
});

test('the seller page fits a phone screen', async () => {
  const phone = await newCustomer(chromium.browser, PHONE);
  const { page } = phone;
  await openSellerPage(page);
  await goToOAuth(page, 'Kay Knits', (button) => button.tap());
  await grantAccess(page);
  await waitForSellerName(page, 'Kay Knits');
  assert.equal(await hasHorizontalScroll(page), false);
  await screenshot(page, 'phone-sellers-ready', { isFullPage: true });

  await page.getByRole('link', { name: 'All sellers' }).tap();

  await page.getByRole('link', { name: /Kay Knits.*Ready/ }).waitFor();
  assert.equal(await hasHorizontalScroll(page), false);
  await screenshot(page, 'phone-sellers', { isFullPage: true });
  await closeCustomer(phone);
});

test('the seller page renders in dark mode', async () => {
  const darkUser = await newCustomer(chromium.browser, { colorScheme: 'dark' });
  await connect(darkUser.page, 'Kim Knits');
  await screenshot(darkUser.page, 'dark-sellers-ready', { isFullPage: true });

  await darkUser.page.getByRole('link', { name: 'All sellers' }).click();

  await darkUser.page.getByRole('link', { name: /Kim Knits/ }).waitFor();
  await screenshot(darkUser.page, 'dark-sellers', { isFullPage: true });
  await closeCustomer(darkUser);
});

/** Records the page's requests to create products. */
function recordProductRequests(page) {
  const methods = [];
  page.on('request', (request) => {
    if (request.url() === `${service.url}/v1/products`) methods.push(request.method());
  });
  return methods;
}

test('a form submitted twice sends one request', async () => {
  const { page } = user;
  await connect(page, 'Max Maps');
  const requests = recordProductRequests(page);
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  await page.route(`${service.url}/v1/products`, async (route) => {
    await released;
    await route.continue();
  });
  await page.getByLabel('Name', { exact: true }).fill('City map');
  await page.getByLabel('Price').fill('4.9');
  const button = page.getByRole('button', { name: 'Add product' });

  await button.click();
  await button.click({ force: true });
  release();

  await page.getByRole('listitem').filter({ hasText: 'City map' }).getByText('€4.90').waitFor();
  await waitUntil(() => button.getAttribute('aria-busy'), (busy) => busy === 'false');
  assert.deepEqual(requests, ['POST']);
});

test('a price that is invalid in its currency is rejected without a request', async () => {
  const { page } = user;
  await connect(page, 'Meg Maps');
  const requests = recordProductRequests(page);
  await page.getByLabel('Name', { exact: true }).fill('Star map');
  await page.getByLabel('Price').fill('4.999');

  await page.getByRole('button', { name: 'Add product' }).click();

  assert.match(await page.getByLabel('Price').evaluate((input) => input.validationMessage), /valid amount in this currency/);
  assert.deepEqual(requests, []);
});

test('a seller connects with the keyboard alone', async () => {
  const { page } = user;
  await page.goto(sellerPageUrl());
  await page.getByLabel('Secret key').focus();
  await page.keyboard.type(service.key);
  await page.keyboard.press('Enter');
  await connectButton(page).waitFor();
  await goToOAuth(page, 'Lea Lamps', (button) => button.press('Enter'));

  await page.getByRole('button', { name: 'Connect my account' }).press('Enter');

  await waitForSellerName(page, 'Lea Lamps');
});

test('a button keeps the focus after its action', async () => {
  const { page } = user;
  await connect(page, 'Leo Lamps');
  const refresh = page.getByRole('button', { name: 'Refresh from Stripe' });

  await refresh.press('Enter');

  await waitUntil(() => refresh.getAttribute('aria-busy'), (busy) => busy === 'false');
  assert.equal(await isFocused(refresh), true);
});

test('Escape cancels the confirmation to disconnect', async () => {
  const { page } = user;
  await connect(page, 'Liv Lamps');
  await forceCheckbox(page).press('Space');
  await disconnectButton(page).press('Enter');
  await page.getByRole('dialog').waitFor();

  await page.keyboard.press('Escape');

  assert.equal(await page.getByRole('dialog').count(), 0);
  await waitForFields(page, { connected: 'Yes' });
});
