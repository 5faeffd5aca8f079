// The seller page, as a platform and its sellers use it, and the shop that sells what is theirs.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { PHONE, storefront } from './storefront.mjs';
import { CARDS, newCustomer, paymentForm, screenshot, startBrowser, startService, stripe, typeCard, until } from './support.mjs';

let service;
let chromium;
let person;
const { openShop, addToCart, goToCheckout, payButton, fillDetails, thanks, orderOf, isStatus, atStripe } = storefront(() => service);

before(async () => {
  service = await startService();
  chromium = await startBrowser();
});
after(async () => {
  await chromium?.stop();
  await service?.stop();
});
beforeEach(async () => { person = await newCustomer(chromium.browser); });
afterEach(async () => {
  assert.deepEqual(person.outside, [], 'nothing is asked of other machines');
  assert.deepEqual(person.errors, [], 'no error in a page');
  await person.context.close();
});

const office = () => `${service.url}/demo/sellers.html`;
const connectButton = (page) => page.getByRole('button', { name: 'Connect with Stripe' });
const alerted = (page, text) => page.getByRole('alert').filter({ hasText: text }).waitFor();

/** Asks the API as the platform does. */
async function asPlatform(method, path, body = undefined) {
  const answer = await fetch(service.url + path, {
    method, headers: { Authorization: `Bearer ${service.key}`, 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

const sellers = async () => (await asPlatform('GET', '/v1/sellers?limit=100')).data;

async function typeKey(page) {
  await page.getByLabel('Secret key').fill(service.key);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('heading', { name: 'Sellers', exact: true }).waitFor();
}

async function openOffice(page) {
  await page.goto(office());
  await typeKey(page);
  await connectButton(page).waitFor();
}

/** From the seller page to Stripe's, where a new account is filled in. */
async function goToStripe(page, name, press = (button) => button.click()) {
  await press(connectButton(page));
  await page.waitForURL(`${service.sandbox}/oauth/authorize?**`);
  await page.getByLabel('Business name').fill(name);
  await page.getByLabel('Country').fill('DE');
}

const letIn = (page) => page.getByRole('button', { name: 'Connect my account' }).click();
const nameOnPage = (page, name) => page.getByRole('heading', { level: 1, name });

/** The seller that is shown, as the API has it. */
async function shownSeller(page) {
  await page.getByRole('table', { name: 'Readiness' }).waitFor();
  const id = new URL(page.url()).hash.slice('#/'.length);
  return asPlatform('GET', `/v1/sellers/${id}`);
}

/** An owner lets the platform in; answers the seller. */
async function connect(page, name) {
  await openOffice(page);
  await goToStripe(page, name);
  await letIn(page);
  await nameOnPage(page, name).waitFor();
  return shownSeller(page);
}

async function openSeller(page, { id }) {
  await page.goto(`${office()}#/${id}`);
  await page.getByRole('table', { name: 'Readiness' }).waitFor();
}

/** What the readiness table says of a field of the API. */
const field = (page, name) => page.getByRole('row')
  .filter({ has: page.getByRole('rowheader').getByText(name, { exact: true }) }).getByRole('cell');

async function see(page, fields) {
  for (const [name, text] of Object.entries(fields)) {
    await until(() => field(page, name).innerText(), (shown) => (text instanceof RegExp ? text.test(shown) : shown === text))
      .catch((error) => { throw new Error(`${name}: ${error.message}`); });
  }
}

async function setTerms(page, { chargeType, points, fixed, minimum }) {
  await page.getByLabel('Charge customers on this account').selectOption(chargeType);
  await page.getByLabel('Fee, in hundredths of a per cent').fill(String(points));
  await page.getByLabel('Fee on top').fill(String(fixed));
  await page.getByLabel('Least fee').fill(String(minimum));
  await page.getByRole('button', { name: 'Save terms' }).click();
  await see(page, {
    charge_type: new RegExp(`\\(${chargeType}\\)`), fee_basis_points: String(points), fee_fixed: String(fixed), fee_minimum: String(minimum),
  });
}

async function putOnSale(page, name, price) {
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('Price').fill(price);
  await page.getByRole('button', { name: 'Put it on sale' }).click();
  await page.getByRole('listitem').filter({ hasText: name }).waitFor();
}

/** A seller with something to sell. */
async function sellerOf(page, name, product) {
  const seller = await connect(page, name);
  await putOnSale(page, product, '42.00');
  return seller;
}

/** Buys one thing in the Payment Element; answers the order. */
async function buy(page, product) {
  const { id } = await goToCheckout(page, [product]);
  await fillDetails(page);
  await typeCard(page, CARDS.success);
  await payButton(page).click();
  await thanks(page);
  const order = await orderOf(id);
  assert.deepEqual([order.status, order.amount_paid], ['paid', 4_200]);
  return order;
}

const feesOf = async (chargeId) => (await stripe(service, 'GET', '/v1/application_fees', { limit: 100 })).data
  .filter(({ charge }) => charge === chargeId);
const transfersOf = async (chargeId) => (await stripe(service, 'GET', '/v1/transfers', { limit: 100 })).data
  .filter(({ source_transaction }) => source_transaction === chargeId);

test('an owner connects an account, and every field of its readiness is told', async () => {
  const { page, context } = person;
  await openShop(page);
  await page.getByRole('link', { name: 'The sellers of this shop' }).click();
  const key = page.getByLabel('Secret key');
  assert.deepEqual([await key.getAttribute('type'), await key.getAttribute('autocomplete')], ['password', 'off']);
  await page.getByText('a real platform calls them from its own server').waitFor();
  await screenshot(page, 'sellers-key');
  await key.fill('sk_wrong');
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('alert').filter({ hasText: /\w/ }).waitFor();
  await typeKey(page);
  const isKept = (storage) => page.evaluate(([name, text]) => JSON.stringify(window[name]).includes(text), [storage, service.key]);
  assert.deepEqual([await isKept('sessionStorage'), await isKept('localStorage')], [true, false]);

  await goToStripe(page, 'Ada’s Pottery');
  const asked = new URL(page.url()).searchParams;
  assert.equal(asked.get('redirect_uri'), office());
  assert.match(asked.get('state'), /^[\w-]{43}$/);
  await letIn(page);
  await nameOnPage(page, 'Ada’s Pottery').waitFor();
  assert.equal(new URL(page.url()).search, '', 'neither code nor state stays in the address');
  const seller = await shownSeller(page);
  await see(page, {
    account_id: seller.account_id, origin: 'Its owner connected it', connected: 'Yes', details_submitted: 'Yes', charges_enabled: 'Yes',
    payouts_enabled: 'Yes', ready: 'Yes', blockers: 'none', next_action: 'Nothing to do: this seller can sell.', can_unlink: 'No',
    checked_at: /\d/, display_name: 'Ada’s Pottery', country: 'DE', currency: 'EUR', currently_due: 'none', current_deadline: 'none',
    past_due: 'none', pending_verification: 'none', eventually_due: 'none', disabled_reason: 'none',
    charge_type: 'The seller’s (direct)', fee_basis_points: '0', fee_fixed: '0', fee_minimum: '0',
  });
  assert.match(seller.account_id, /^acct_/);
  await screenshot(page, 'sellers-ready', { isWhole: true });

  // What Stripe asks of it later is told by an event, and shown when it is looked at again.
  await stripe(service, 'POST', `/_sandbox/accounts/${seller.account_id}`, {
    charges_enabled: false, payouts_enabled: false,
    'requirements[currently_due][0]': 'individual.verification.document', 'requirements[past_due][0]': 'external_account',
    'requirements[eventually_due][0]': 'individual.verification.document', 'requirements[pending_verification][0]': 'individual.id_number',
    'requirements[disabled_reason]': 'requirements.past_due', 'requirements[current_deadline]': 1_900_000_000,
  });
  await page.getByRole('button', { name: 'Ask Stripe now' }).click();
  await see(page, {
    ready: 'No', charges_enabled: 'No', payouts_enabled: 'No', blockers: /can not take payments[^]*does not pay out/,
    currently_due: 'individual.verification.document', past_due: 'external_account', eventually_due: 'individual.verification.document',
    pending_verification: 'individual.id_number', disabled_reason: 'requirements.past_due', current_deadline: /2030/,
    can_unlink: 'Yes', next_action: /^Tell Stripe what it asks for now\. By .*2030/,
  });
  await screenshot(page, 'sellers-restricted', { isWhole: true });

  await page.getByRole('link', { name: 'All sellers' }).click();
  await page.getByRole('link', { name: /Ada’s Pottery.*Not ready/ }).waitFor();
  await page.getByRole('button', { name: 'Forget the key' }).click();
  await alerted(page, 'The key is forgotten.');
  assert.equal(await isKept('sessionStorage'), false);
  assert.deepEqual((await context.cookies()).length, 0);
});

test('a direct charge: paid to the seller, the fee to the platform, both given back', async () => {
  const { page } = person;
  const seller = await sellerOf(page, 'Bea Bakes', 'Rye loaf');
  await setTerms(page, { chargeType: 'direct', points: 1_000, fixed: 50, minimum: 100 });
  await openShop(page);
  await page.getByText('Sold by Bea Bakes').waitFor();
  const order = await buy(page, 'Rye loaf');
  assert.deepEqual(
    [order.seller_id, order.charge_type, order.application_fee_amount], [seller.id, 'direct', 470],
  );
  const { charges: [charge] } = await atStripe(order.id, seller.account_id);
  assert.deepEqual([charge.amount, charge.application_fee_amount], [4_200, 470]);
  assert.equal((await atStripe(order.id)).charges.length, 0, 'nothing was charged on the platform');
  const fees = await feesOf(charge.id);
  assert.deepEqual(fees.map(({ amount, account }) => [amount, account]), [[470, seller.account_id]]);

  await asPlatform('POST', `/v1/orders/${order.id}/refunds`, {});
  await until(() => orderOf(order.id), isStatus('refunded'));
  const [fee] = await feesOf(charge.id);
  assert.deepEqual([fee.amount_refunded, fee.refunded], [470, true]);
  const { charges: [refunded] } = await atStripe(order.id, seller.account_id);
  assert.equal(refunded.amount_refunded, 4_200);
});

test('a destination charge: paid to the platform, transferred to the seller, both taken back in proportion', async () => {
  const { page } = person;
  const seller = await sellerOf(page, 'Cid Crafts', 'Walnut spoon');
  await setTerms(page, { chargeType: 'destination', points: 1_000, fixed: 50, minimum: 100 });
  const order = await buy(page, 'Walnut spoon');
  assert.deepEqual(
    [order.seller_id, order.charge_type, order.application_fee_amount], [seller.id, 'destination', 470],
  );
  const { charges: [charge] } = await atStripe(order.id);
  assert.deepEqual([charge.amount, charge.transfer_data.destination], [4_200, seller.account_id]);
  assert.equal((await atStripe(order.id, seller.account_id)).intents.length, 0, 'nothing was asked of the customer on the seller’s account');
  const transfers = await transfersOf(charge.id);
  assert.deepEqual(transfers.map(({ amount, destination }) => [amount, destination]), [[4_200, seller.account_id]]);
  const fees = await feesOf(transfers[0].destination_payment);
  assert.deepEqual(fees.map(({ amount, account }) => [amount, account]), [[470, seller.account_id]]);

  await asPlatform('POST', `/v1/orders/${order.id}/refunds`, { amount: 2_100 });
  await until(() => orderOf(order.id), isStatus('partially_refunded'));
  const [transfer] = await transfersOf(charge.id);
  const [fee] = await feesOf(transfer.destination_payment);
  assert.deepEqual([transfer.amount_reversed, fee.amount_refunded], [2_100, 235]);
  // The rest at the platform's own cost.
  await asPlatform('POST', `/v1/orders/${order.id}/refunds`, { reverse_transfer: false, refund_application_fee: false });
  await until(() => orderOf(order.id), isStatus('refunded'));
  const [transferAfter] = await transfersOf(charge.id);
  const [feeAfter] = await feesOf(transfer.destination_payment);
  assert.deepEqual([transferAfter.amount_reversed, feeAfter.amount_refunded], [2_100, 235]);
});

test('one seller, sold through directly, and then by destination', async () => {
  const { page } = person;
  const seller = await sellerOf(page, 'Dot Designs', 'Linen cloth');
  await setTerms(page, { chargeType: 'direct', points: 500, fixed: 0, minimum: 0 });
  const first = await buy(page, 'Linen cloth');
  await openSeller(page, seller);
  await setTerms(page, { chargeType: 'destination', points: 250, fixed: 0, minimum: 0 });
  const second = await buy(page, 'Linen cloth');
  const terms = async ({ id }) => {
    const order = await orderOf(id);
    return [order.charge_type, order.application_fee_amount];
  };
  assert.deepEqual([await terms(first), await terms(second)], [['direct', 210], ['destination', 105]]);
  assert.equal((await atStripe(first.id, seller.account_id)).charges.length, 1);
  assert.equal((await atStripe(second.id)).charges.length, 1);
});

test('a direct charge on the hosted page', async () => {
  const { page } = person;
  const seller = await sellerOf(page, 'Eve Edits', 'Notebook');
  await setTerms(page, { chargeType: 'direct', points: 1_000, fixed: 0, minimum: 0 });
  const { id } = await goToCheckout(page, ['Notebook']);
  await fillDetails(page);
  await page.getByRole('button', { name: 'Pay on a hosted page' }).click();
  await page.waitForURL(`${service.sandbox}/c/pay/**`);
  await paymentForm(page).getByLabel('Card number').waitFor();
  await typeCard(page, CARDS.success);
  await screenshot(page, 'sellers-hosted', { isWhole: true });
  await page.getByRole('button', { name: 'Pay', exact: true }).click();
  await thanks(page);
  assert.equal((await orderOf(id)).status, 'paid');
  const { charges } = await atStripe(id, seller.account_id);
  const paid = charges.filter(({ status }) => status === 'succeeded');
  assert.deepEqual(paid.map(({ amount, application_fee_amount }) => [amount, application_fee_amount]), [[4_200, 420]]);
  assert.deepEqual((await feesOf(paid[0].id)).map(({ amount }) => amount), [420]);
});

test('after the owner has disconnected at Stripe, nothing is charged', async () => {
  const { page } = person;
  const seller = await sellerOf(page, 'Fay Frames', 'Oak frame');
  await buy(page, 'Oak frame');
  // One customer is about to pay at that moment, and another comes later.
  const early = await newCustomer(chromium.browser);
  const open = await goToCheckout(early.page, ['Oak frame']);
  await fillDetails(early.page);
  await typeCard(early.page, CARDS.success);
  await stripe(service, 'POST', `/_sandbox/accounts/${seller.account_id}/disconnect`);
  await until(() => asPlatform('GET', `/v1/sellers/${seller.id}`), ({ connected }) => !connected);

  await openShop(page);
  await addToCart(page, 'Oak frame');
  await page.getByRole('button', { name: /^Cart/ }).click();
  await page.getByRole('button', { name: 'Checkout' }).click();
  await page.getByRole('heading', { name: 'This seller can not take payments now' }).waitFor();
  await page.getByText('Nothing was charged, and your cart is still here.').waitFor();
  await screenshot(page, 'sellers-shop-closed');
  await payButton(early.page).click();
  await early.page.getByRole('heading', { name: 'This seller can not take payments now' }).waitFor();
  assert.notEqual((await orderOf(open.id)).status, 'paid');
  assert.deepEqual([early.outside, early.errors], [[], []]);
  await early.context.close();

  await openSeller(page, seller);
  await see(page, { connected: 'No', ready: 'No', blockers: 'The account is not connected.' });
  await page.getByText('The platform does not use this account.').waitFor();
  await screenshot(page, 'sellers-disconnected', { isWhole: true });
  // The owner comes back, and it is the same seller.
  await goToStripe(page, 'not used');
  await page.getByLabel(seller.account_id).check();
  await letIn(page);
  await nameOnPage(page, 'Fay Frames').waitFor();
  assert.deepEqual(await shownSeller(page).then(({ id, ready }) => [id, ready]), [seller.id, true]);
  await page.goto(`${service.url}/demo/#/checkout`);
  await until(() => payButton(page).isEnabled().catch(() => false), (isEnabled) => isEnabled);
});

test('an owner who denies is told kindly', async () => {
  const { page } = person;
  const known = (await sellers()).length;
  await openOffice(page);
  await goToStripe(page, 'Nobody');
  await page.getByRole('button', { name: 'Deny' }).click();
  await alerted(page, 'You did not connect your account, and nothing was changed.');
  assert.equal(page.url(), office());
  await screenshot(page, 'sellers-denied');
  assert.equal((await sellers()).length, known);
});

test('a way back from Stripe counts once, and for who went', async () => {
  const { page } = person;
  await openOffice(page);
  const known = (await sellers()).length;
  // A stranger gets hold of the address before its owner is back: in a session of their own it is worth nothing.
  let address;
  await goToStripe(page, 'Gus Glass');
  await page.route(`${service.sandbox}/oauth/authorize`, async (route) => {
    address = (await route.fetch({ maxRedirects: 0 })).headers().location;
    await route.fulfill({ contentType: 'text/html', body: 'The line is dead.' });
  });
  await letIn(page);
  await page.getByText('The line is dead.').waitFor();
  assert.ok(address.startsWith(`${office()}?`));
  const stranger = await newCustomer(chromium.browser);
  await stranger.page.goto(address);
  await typeKey(stranger.page);
  await alerted(stranger.page, 'This was begun by somebody else, or in another window. Nothing was connected.');
  assert.equal((await sellers()).length, known);
  // The owner's own try is not lost by that.
  await page.goto(address);
  await nameOnPage(page, 'Gus Glass').waitFor();
  assert.equal((await sellers()).length, known + 1);
  // But it counts once, whoever opens it again.
  for (const again of [page, stranger.page]) {
    await again.goto(address);
    await alerted(again, 'Nothing was connected.');
    assert.equal(new URL(again.url()).search, '');
  }
  await alerted(page, 'This address was used before.');
  await screenshot(page, 'sellers-again');
  const foreign = new URL(address);
  foreign.searchParams.set('state', 'x'.repeat(43));
  await page.goto(foreign.href);
  await alerted(page, 'This address belongs to nothing that was begun here. Nothing was connected.');
  await page.goto(`${office()}?code=ac_1`);
  await alerted(page, 'This address belongs to nothing that was begun here. Nothing was connected.');
  assert.equal((await sellers()).length, known + 1);
  assert.deepEqual([stranger.outside, stranger.errors], [[], []]);
  await stranger.context.close();
});

test('an account that the platform makes is filled in at Stripe', async () => {
  const { page } = person;
  await openOffice(page);
  const known = (await sellers()).length;
  await page.getByLabel('Their email').fill('hal@example.com');
  await page.getByLabel('Their country').selectOption('DE');
  // The first answer is lost on its way, when the account was made already.
  await page.route(`${service.url}/v1/sellers`, async (route) => {
    await route.fetch();
    await route.abort();
  }, { times: 1 });
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.waitForURL(`${service.sandbox}/setup/**`);
  const link = page.url();
  assert.equal((await sellers()).length, known + 1);
  await page.getByRole('button', { name: 'Leave for now' }).click();
  // To have come back means nothing: Stripe was asked.
  await page.getByRole('heading', { level: 1, name: 'A seller without a name' }).waitFor();
  assert.equal(new URL(page.url()).search, '');
  await see(page, {
    origin: 'The platform made it', connected: 'Yes', ready: 'No', details_submitted: 'No', charges_enabled: 'No', country: 'DE',
    currently_due: /external_account/, can_unlink: 'Yes', next_action: 'Finish what Stripe asks for at first.',
  });
  await screenshot(page, 'sellers-new', { isWhole: true });
  const { id, account_id } = await shownSeller(page);
  // The same link again is no use any more: Stripe sends the seller back for another one.
  await page.goto(link);
  await page.waitForURL((url) => url.href.startsWith(`${service.sandbox}/setup/`) && url.href !== link);
  await page.getByLabel('Business name').fill('Hal’s Honey');
  await page.getByRole('button', { name: 'Submit with verification pending' }).click();
  await nameOnPage(page, 'Hal’s Honey').waitFor();
  await see(page, { ready: 'No', next_action: 'Wait: Stripe is looking at what was given.' });
  await stripe(service, 'POST', `/_sandbox/accounts/${account_id}`, {
    charges_enabled: true, payouts_enabled: true, requirements: '',
    'capability_status[card_payments]': 'active', 'capability_status[transfers]': 'active',
  });
  await page.getByRole('button', { name: 'Ask Stripe now' }).click();
  await see(page, { ready: 'Yes', next_action: 'Nothing to do: this seller can sell.' });
  assert.equal((await shownSeller(page)).id, id);
  await putOnSale(page, 'Heather honey', '42.00');
  await buy(page, 'Heather honey');
});

test('a seller is let go, by force where the account works', async () => {
  const { page } = person;
  const seller = await sellerOf(page, 'Ivy Ink', 'Blue ink');
  const customer = await newCustomer(chromium.browser);
  const open = await goToCheckout(customer.page, ['Blue ink']);
  const force = page.getByLabel('By force');
  const button = page.getByRole('button', { name: 'Disconnect…' });
  const dialog = page.getByRole('dialog', { name: 'Disconnect Ivy Ink?' });
  await button.click();
  assert.equal(await force.evaluate((box) => box.validity.valueMissing), true, 'an account that works is not lost by a slip');
  assert.equal(await dialog.count(), 0);
  await force.check();
  await button.click();
  await dialog.getByRole('button', { name: 'Keep it' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.equal((await shownSeller(page)).connected, true);
  await button.click();
  await screenshot(page, 'sellers-disconnect');
  await dialog.getByRole('button', { name: 'Disconnect' }).click();
  await page.getByRole('heading', { name: 'Disconnected' }).waitFor();
  await see(page, { connected: 'No', ready: 'No' });
  await until(() => orderOf(open.id), isStatus('canceled'));
  const refused = await stripe(service, 'GET', '/v1/charges', {}, seller.account_id);
  assert.equal(refused.error.code, 'account_invalid', 'the platform may not use the account any more');
  await customer.page.reload();
  await customer.page.getByRole('heading', { name: 'This seller can not take payments now' }).waitFor();
  assert.deepEqual([customer.outside, customer.errors], [[], []]);
  await customer.context.close();
});

test('a cart is with one seller', async () => {
  const { page } = person;
  const seller = await sellerOf(page, 'Jon Jam', 'Plum jam');
  await putOnSale(page, 'Fig jam', '42.00');
  await openShop(page);
  await addToCart(page, 'Plum jam');
  await addToCart(page, 'Ceramic dripper');
  await page.getByRole('listitem').filter({ hasText: 'Ceramic dripper' }).getByText('Your cart is with another seller').waitFor();
  await page.getByRole('button', { name: 'Cart, 1 item' }).waitFor();
  await addToCart(page, 'Fig jam');
  await page.getByRole('button', { name: 'Cart, 2 items' }).waitFor();
  // Then one of them changes hands, which the page that is open does not know.
  const { data } = await asPlatform('GET', '/v1/products?limit=100');
  const fig = data.find(({ name, seller_id }) => name === 'Fig jam' && seller_id === seller.id);
  await asPlatform('PATCH', `/v1/products/${fig.id}`, { seller_id: null });
  await page.getByRole('button', { name: /^Cart/ }).click();
  await page.getByRole('button', { name: 'Checkout' }).click();
  await page.getByRole('heading', { name: 'Your cart is from different sellers' }).waitFor();
  await page.getByText('Each order is with one seller').waitFor();
  await page.getByText('Of another seller').waitFor();
  await screenshot(page, 'sellers-mixed');
  await page.getByRole('button', { name: 'Go on without it' }).click();
  await until(() => payButton(page).isEnabled().catch(() => false), (isEnabled) => isEnabled);
  const ordered = page.getByRole('complementary', { name: 'Your order' }).getByRole('listitem');
  assert.deepEqual((await ordered.allInnerTexts()).map((text) => text.split('\n')[0]), ['Plum jam']);
});

test('on a phone, and in the dark', async () => {
  const phone = await newCustomer(chromium.browser, PHONE);
  await openOffice(phone.page);
  await goToStripe(phone.page, 'Kay Knits', (button) => button.tap());
  await letIn(phone.page);
  await nameOnPage(phone.page, 'Kay Knits').waitFor();
  const isWide = () => phone.page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  assert.equal(await isWide(), false, 'nothing sticks out at the side');
  await screenshot(phone.page, 'phone-sellers-ready', { isWhole: true });
  await phone.page.getByRole('link', { name: 'All sellers' }).tap();
  await phone.page.getByRole('link', { name: /Kay Knits.*Ready/ }).waitFor();
  assert.equal(await isWide(), false, 'nothing sticks out at the side');
  await screenshot(phone.page, 'phone-sellers', { isWhole: true });
  assert.deepEqual([phone.outside, phone.errors], [[], []]);
  await phone.context.close();

  const night = await newCustomer(chromium.browser, { colorScheme: 'dark' });
  await openOffice(night.page);
  await screenshot(night.page, 'dark-sellers', { isWhole: true });
  await night.page.getByRole('link', { name: /Kay Knits/ }).click();
  await nameOnPage(night.page, 'Kay Knits').waitFor();
  await screenshot(night.page, 'dark-sellers-ready', { isWhole: true });
  await night.context.close();
});

test('what is pressed twice is asked for once', async () => {
  const { page } = person;
  await connect(page, 'Max Maps');
  const asked = [];
  let letThrough;
  const pressedTwice = new Promise((resolve) => { letThrough = resolve; });
  await page.route(`${service.url}/v1/products`, async (route) => {
    asked.push(route.request().method());
    await pressedTwice;
    await route.continue();
  });
  await page.getByLabel('Name', { exact: true }).fill('City map');
  await page.getByLabel('Price').fill('4.9');
  const button = page.getByRole('button', { name: 'Put it on sale' });
  await button.click();
  await button.click({ force: true });
  letThrough();
  await page.getByRole('listitem').filter({ hasText: 'City map' }).getByText('€4.90').waitFor();
  await until(() => button.getAttribute('aria-busy'), (busy) => busy === 'false');
  assert.deepEqual(asked, ['POST']);
  // No amount of this currency: nothing is asked for.
  await page.getByLabel('Name', { exact: true }).fill('Star map');
  await page.getByLabel('Price').fill('4.999');
  await button.click();
  assert.match(await page.getByLabel('Price').evaluate((input) => input.validationMessage), /an amount of this currency/);
  assert.deepEqual(asked, ['POST']);
});

test('with the keyboard alone', async () => {
  const { page } = person;
  await page.goto(office());
  await page.getByLabel('Secret key').focus();
  await page.keyboard.type(service.key);
  await page.keyboard.press('Enter');
  await connectButton(page).waitFor();
  await goToStripe(page, 'Lea Lamps', (button) => button.press('Enter'));
  await page.getByRole('button', { name: 'Connect my account' }).press('Enter');
  await nameOnPage(page, 'Lea Lamps').waitFor();
  const ask = page.getByRole('button', { name: 'Ask Stripe now' });
  await ask.press('Enter');
  await until(() => ask.getAttribute('aria-busy'), (busy) => busy === 'false');
  assert.equal(await ask.evaluate((node) => node === document.activeElement), true, 'who has pressed it keeps their place');
  await page.getByLabel('By force').press('Space');
  await page.getByRole('button', { name: 'Disconnect…' }).press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.getByRole('dialog').count(), 0);
  await see(page, { connected: 'Yes' });
});
