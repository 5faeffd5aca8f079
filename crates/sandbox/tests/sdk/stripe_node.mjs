// Tests the sandbox at SANDBOX_URL with Stripe's Node.js library. Prints one line per check, and exits with 1 on failure.
// If STRIPE_TEST_SECRET_KEY is set, the script tests Stripe's test mode instead, or the server at STRIPE_TEST_URL. It then
// skips the checks that need the sandbox.
import assert from 'node:assert/strict';
import Stripe from 'stripe';

const key = process.env.STRIPE_TEST_SECRET_KEY;
if (key !== undefined && !/^[sr]k_test_/.test(key)) {
  console.error("STRIPE_TEST_SECRET_KEY must be a key of Stripe's test mode: sk_test_... or rk_test_...");
  process.exit(1);
}
const url = new URL(
  key === undefined
    ? (process.env.SANDBOX_URL ?? 'http://127.0.0.1:12111')
    : (process.env.STRIPE_TEST_URL ?? 'https://api.stripe.com'),
);
const server = {
  host: url.hostname,
  port: url.port || (url.protocol === 'https:' ? 443 : 80),
  protocol: url.protocol.replace(':', ''),
  telemetry: false,
  maxNetworkRetries: 0,
};
const stripe = new Stripe(key ?? 'sk_test_sandbox', server);
const cards = {
  amount: 1000,
  currency: 'eur',
  automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
};

/** The reason why a check was skipped. */
class Skipped extends Error {}

/** Skips a check in Stripe's test mode. */
function sandboxOnly(reason) {
  if (key !== undefined) throw new Skipped(reason);
}

/** Repeats `check` until it succeeds. Stripe lists events with a delay. */
async function waitUntil(check) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

/** Returns the error that `promise` rejects with. */
async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: 'expected an error' });
}

const checks = {
  async 'create, retrieve, update'() {
    const created = await stripe.paymentIntents.create({
      amount: 1999,
      currency: 'usd',
      automatic_payment_methods: { enabled: true },
      metadata: { order_id: 'ord_1' },
      receipt_email: 'a@example.com',
      shipping: { name: 'A', address: { line1: 'Street 1', city: 'B' } },
    });
    assert.equal(created.object, 'payment_intent');
    assert.equal(created.status, 'requires_payment_method');
    assert.ok(created.lastResponse.requestId.startsWith('req_'));
    const read = await stripe.paymentIntents.retrieve(created.id);
    assert.equal(read.client_secret, created.client_secret);
    const updated = await stripe.paymentIntents.update(created.id, { metadata: { order_id: 'ord_2' } });
    assert.deepEqual(updated.metadata, { order_id: 'ord_2' });
  },

  async 'confirm'() {
    const created = await stripe.paymentIntents.create(cards);
    const paid = await stripe.paymentIntents.confirm(created.id, {
      payment_method: 'pm_card_visa',
      expand: ['latest_charge', 'payment_method'],
    });
    assert.equal(paid.status, 'succeeded');
    assert.equal(paid.latest_charge.paid, true);
    assert.equal(paid.payment_method.card.last4, '4242');
    const charge = await stripe.charges.retrieve(paid.latest_charge.id);
    assert.equal(charge.payment_intent, created.id);
    const updatedMetadata = await stripe.charges.update(charge.id, { metadata: { order_id: 'ord_1' } });
    assert.equal(updatedMetadata.metadata.order_id, 'ord_1');
    const listed = await stripe.charges.list({ payment_intent: created.id });
    assert.deepEqual(listed.data.map(({ id }) => id), [charge.id]);
  },

  async 'cancel'() {
    const created = await stripe.paymentIntents.create(cards);
    const canceled = await stripe.paymentIntents.cancel(created.id, { cancellation_reason: 'abandoned' });
    assert.equal(canceled.status, 'canceled');
    const error = await failure(stripe.paymentIntents.confirm(created.id, { payment_method: 'pm_card_visa' }));
    assert.ok(error instanceof Stripe.errors.StripeInvalidRequestError);
    assert.equal(error.code, 'payment_intent_unexpected_state');
    assert.equal(error.payment_intent.status, 'canceled');
  },

  async 'capture'() {
    const authorized = await stripe.paymentIntents.create({
      ...cards,
      capture_method: 'manual',
      confirm: true,
      payment_method: 'pm_card_visa',
    });
    assert.equal(authorized.status, 'requires_capture');
    const captured = await stripe.paymentIntents.capture(authorized.id, { amount_to_capture: 700 });
    assert.equal(captured.status, 'succeeded');
    assert.equal(captured.amount_received, 700);
  },

  async 'declines are card errors'() {
    const declines = {
      pm_card_visa_chargeDeclined: ['card_declined', 'generic_decline'],
      pm_card_visa_chargeDeclinedInsufficientFunds: ['card_declined', 'insufficient_funds'],
      pm_card_visa_chargeDeclinedLostCard: ['card_declined', 'lost_card'],
      pm_card_visa_chargeDeclinedStolenCard: ['card_declined', 'stolen_card'],
      pm_card_chargeDeclinedExpiredCard: ['expired_card', 'expired_card'],
      pm_card_chargeDeclinedIncorrectCvc: ['incorrect_cvc', 'incorrect_cvc'],
      pm_card_chargeDeclinedProcessingError: ['processing_error', 'processing_error'],
    };
    for (const [payment_method, [code, declineCode]] of Object.entries(declines)) {
      const error = await failure(stripe.paymentIntents.create({ ...cards, payment_method, confirm: true }));
      assert.ok(error instanceof Stripe.errors.StripeCardError, `${payment_method}: ${error}`);
      assert.equal(error.code, code);
      assert.equal(error.decline_code, declineCode);
      assert.equal(error.statusCode, 402);
      assert.equal(error.payment_intent.status, 'requires_payment_method');
      assert.ok(error.requestId.startsWith('req_'));
    }
  },

  async 'other errors have their classes'() {
    const unknown = await failure(stripe.paymentIntents.create({ ...cards, color: 'red' }));
    assert.ok(unknown instanceof Stripe.errors.StripeInvalidRequestError);
    assert.equal(unknown.code, 'parameter_unknown');
    assert.equal(unknown.param, 'color');
    const missing = await failure(stripe.paymentIntents.retrieve('pi_x'));
    assert.equal(missing.code, 'resource_missing');
    assert.equal(missing.statusCode, 404);
    const live = new Stripe('sk_live_x', server);
    const refused = await failure(live.events.list());
    assert.ok(refused instanceof Stripe.errors.StripeAuthenticationError);
    const forbidden = await failure(stripe.events.list({}, { stripeAccount: 'nobody' }));
    assert.ok(forbidden instanceof Stripe.errors.StripePermissionError);
  },

  async 'idempotency keys'() {
    const idempotencyKey = `key-${Date.now()}`;
    const first = await stripe.paymentIntents.create(cards, { idempotencyKey });
    const repeated = await stripe.paymentIntents.create(cards, { idempotencyKey });
    assert.equal(repeated.id, first.id);
    assert.equal(repeated.lastResponse.headers['idempotent-replayed'], 'true');
    const other = await failure(stripe.paymentIntents.create({ ...cards, amount: 2000 }, { idempotencyKey }));
    assert.ok(other instanceof Stripe.errors.StripeIdempotencyError);
  },

  async 'pagination'() {
    const created = [];
    for (let count = 0; count < 7; count += 1) {
      created.unshift((await stripe.paymentIntents.create(cards)).id);
    }
    const listed = [];
    for await (const intent of stripe.paymentIntents.list({ limit: 3 })) {
      listed.push(intent.id);
      if (listed.length === created.length) break;
    }
    assert.deepEqual(listed, created);
    const previous = await stripe.paymentIntents.list({ limit: 2, ending_before: created[4] });
    assert.deepEqual(previous.data.map((intent) => intent.id), created.slice(2, 4));
  },

  async 'customers and payment methods'() {
    const customer = await stripe.customers.create({ email: 'c@example.com' });
    const method = await stripe.paymentMethods.attach('pm_card_visa', { customer: customer.id });
    const methods = await stripe.customers.listPaymentMethods(customer.id);
    assert.equal(methods.data[0].id, method.id);
    const read = await stripe.paymentMethods.retrieve(method.id);
    assert.equal(read.customer, customer.id);
    const named = await stripe.paymentMethods.update(method.id, { billing_details: { name: 'Ada' } });
    assert.equal(named.billing_details.name, 'Ada');
    const listed = await stripe.paymentMethods.list({ customer: customer.id, type: 'card' });
    assert.deepEqual(listed.data.map(({ id }) => id), [method.id]);
    assert.equal((await stripe.paymentMethods.detach(method.id)).customer, null);
    const changed = await stripe.customers.update(customer.id, { name: 'Ada' });
    assert.deepEqual([changed.name, changed.email], ['Ada', 'c@example.com']);
    assert.equal((await stripe.customers.retrieve(customer.id)).name, 'Ada');
    const found = await stripe.customers.list({ email: 'c@example.com', limit: 1 });
    assert.equal(found.data[0].id, customer.id);
    assert.equal((await stripe.customers.del(customer.id)).deleted, true);
  },

  async 'card numbers'() {
    sandboxOnly('Stripe accepts card numbers only from accounts with permission');
    const method = await stripe.paymentMethods.create({
      type: 'card',
      card: { number: '4242424242424242', exp_month: 12, exp_year: 2034, cvc: '123' },
    });
    assert.equal(method.card.last4, '4242');
    const real = await failure(
      stripe.paymentMethods.create({
        type: 'card',
        card: { number: '4111111111111111', exp_month: 12, exp_year: 2034, cvc: '123' },
      }),
    );
    assert.ok(real instanceof Stripe.errors.StripeCardError);
    assert.equal(real.decline_code, 'test_mode_live_card');
  },

  async 'refunds'() {
    const paid = await stripe.paymentIntents.create({ ...cards, confirm: true, payment_method: 'pm_card_visa' });
    const part = await stripe.refunds.create({
      payment_intent: paid.id,
      amount: 400,
      reason: 'requested_by_customer',
      metadata: { order_id: 'ord_1' },
    });
    assert.equal(part.status, 'succeeded');
    const read = await stripe.refunds.retrieve(part.id, { expand: ['charge', 'balance_transaction'] });
    assert.equal(read.charge.amount_refunded, 400);
    assert.equal(read.balance_transaction.amount, -400);
    const updated = await stripe.refunds.update(part.id, { metadata: { order_id: 'ord_2' } });
    assert.equal(updated.metadata.order_id, 'ord_2');
    const tooMuch = await failure(stripe.refunds.create({ payment_intent: paid.id, amount: 601 }));
    assert.ok(tooMuch instanceof Stripe.errors.StripeInvalidRequestError);
    assert.equal(tooMuch.param, 'amount');
    await stripe.refunds.create({ charge: paid.latest_charge });
    const repeated = await failure(stripe.refunds.create({ charge: paid.latest_charge }));
    assert.equal(repeated.code, 'charge_already_refunded');
    const amounts = [];
    for await (const refund of stripe.refunds.list({ payment_intent: paid.id, limit: 1 })) amounts.push(refund.amount);
    assert.deepEqual(amounts, [600, 400]);
    const notCancelable = await failure(stripe.refunds.cancel(part.id));
    assert.equal(notCancelable.statusCode, 400);
  },

  async 'disputes'() {
    sandboxOnly('the check disputes a charge with the control API');
    const paid = await stripe.paymentIntents.create({ ...cards, confirm: true, payment_method: 'pm_card_visa' });
    const opened = await stripe.rawRequest('POST', `/_sandbox/charges/${paid.latest_charge}/dispute`, { amount: 300 });
    const listed = await stripe.disputes.list({ charge: paid.latest_charge });
    assert.equal(listed.data[0].id, opened.id);
    const answered = await stripe.disputes.update(opened.id, { evidence: { product_description: 'A mug' } });
    assert.equal(answered.status, 'under_review');
    assert.equal(answered.evidence.product_description, 'A mug');
    const refused = await failure(stripe.refunds.create({ payment_intent: paid.id }));
    assert.equal(refused.code, 'charge_disputed');
    const lost = await stripe.disputes.close(opened.id);
    assert.equal(lost.status, 'lost');
    const read = await stripe.disputes.retrieve(opened.id, { expand: ['payment_intent'] });
    assert.equal(read.payment_intent.id, paid.id);
  },

  async 'balance'() {
    sandboxOnly('fees differ between accounts');
    const paid = await stripe.paymentIntents.create({ ...cards, confirm: true, payment_method: 'pm_card_visa' });
    const movements = await stripe.balanceTransactions.list({ source: paid.latest_charge });
    const movement = await stripe.balanceTransactions.retrieve(movements.data[0].id);
    assert.deepEqual([movement.type, movement.amount, movement.fee, movement.net], ['charge', 1000, 59, 941]);
    const balance = await stripe.balance.retrieve();
    assert.ok(balance.pending.some(({ currency }) => currency === 'eur'));
  },

  async 'checkout sessions'() {
    sandboxOnly('the check pays a page with the control API');
    const create = () => stripe.checkout.sessions.create({
      mode: 'payment',
      success_url: 'https://shop.example/done?session={CHECKOUT_SESSION_ID}',
      cancel_url: 'https://shop.example/cart',
      customer_email: 'ada@example.com',
      client_reference_id: 'cart-7',
      metadata: { order_id: 'ord_1' },
      payment_intent_data: { metadata: { order_id: 'ord_1' }, receipt_email: 'ada@example.com' },
      adaptive_pricing: { enabled: false },
      line_items: [
        { quantity: 2, price_data: { currency: 'eur', unit_amount: 999, product_data: { name: 'Mug' } } },
        { quantity: 1, price_data: { currency: 'eur', unit_amount: 500, product_data: { name: 'Spoon' } } },
      ],
    });
    const session = await create();
    assert.deepEqual([session.status, session.payment_status, session.amount_total], ['open', 'unpaid', 2498]);
    const page = await (await fetch(session.url)).text();
    assert.ok(page.includes('€24.98'));
    const items = await stripe.checkout.sessions.listLineItems(session.id, { limit: 1 });
    assert.deepEqual([items.data[0].description, items.has_more], ['Mug', true]);
    await stripe.rawRequest('POST', `/_sandbox/checkout/sessions/${session.id}/pay`, {});
    const paid = await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent', 'line_items'] });
    assert.deepEqual([paid.status, paid.payment_status, paid.url], ['complete', 'paid', null]);
    assert.equal(paid.payment_intent.metadata.order_id, 'ord_1');
    assert.equal(paid.line_items.data.length, 2);
    const found = await stripe.checkout.sessions.list({ payment_intent: paid.payment_intent.id });
    assert.equal(found.data[0].id, session.id);
    const updatedMetadata = await stripe.checkout.sessions.update(session.id, { metadata: { order_id: 'ord_2' } });
    assert.equal(updatedMetadata.metadata.order_id, 'ord_2');
    const expired = await stripe.checkout.sessions.expire((await create()).id);
    assert.equal(expired.status, 'expired');
    const error = await failure(stripe.checkout.sessions.expire(expired.id));
    assert.ok(error.message.includes('status in ["open"]'));
  },

  async 'products and prices'() {
    const product = await stripe.products.create({
      name: 'Mug',
      description: 'Holds coffee',
      images: ['https://shop.example/mug.png'],
      marketing_features: [{ name: 'Dishwasher-safe' }],
      metadata: { sku: 'mug' },
      shippable: true,
      default_price_data: { currency: 'eur', unit_amount: 1999 },
    });
    assert.deepEqual([product.active, product.metadata.sku, product.shippable], [true, 'mug', true]);
    const read = await stripe.products.retrieve(product.id, { expand: ['default_price'] });
    assert.deepEqual([read.default_price.unit_amount, read.default_price.type], [1999, 'one_time']);
    const expensive = await stripe.prices.create({ product: product.id, currency: 'usd', unit_amount: 2999, nickname: 'Expensive' });
    assert.equal((await stripe.prices.retrieve(expensive.id)).nickname, 'Expensive');
    const inDollars = await stripe.prices.list({ product: product.id, currency: 'usd' });
    assert.deepEqual(inDollars.data.map(({ id }) => id), [expensive.id]);
    const changed = await stripe.products.update(product.id, { active: false, description: '', default_price: expensive.id });
    assert.deepEqual([changed.active, changed.description, changed.default_price], [false, null, expensive.id]);
    const kept = await failure(stripe.products.del(product.id));
    assert.match(kept.message, /user-created prices/);
    const spoon = await stripe.products.create({ name: 'Spoon' });
    const listed = await stripe.products.list({ ids: [product.id, spoon.id], active: true });
    assert.deepEqual(listed.data.map(({ id }) => id), [spoon.id]);
    assert.equal((await stripe.products.del(spoon.id)).deleted, true);
    assert.equal((await failure(stripe.products.retrieve(spoon.id))).code, 'resource_missing');
    const unknown = await failure(stripe.products.create({ name: 'Cup', color: 'red' }));
    assert.equal(unknown.code, 'parameter_unknown');
  },

  async 'payment method types'() {
    const listed = await failure(stripe.paymentIntents.create({ amount: 1000, currency: 'eur', payment_method_types: ['card'] }));
    assert.equal(listed.code, 'payment_method_types_no_longer_supported');
    const allowed = { amount: 1000, currency: 'eur', allowed_payment_method_types: ['card'] };
    assert.deepEqual((await stripe.paymentIntents.create(allowed)).payment_method_types, ['card']);
  },

  async 'events'() {
    const paid = await stripe.paymentIntents.create({ ...cards, confirm: true, payment_method: 'pm_card_visa' });
    const newest = await waitUntil(async () => {
      const events = await stripe.events.list({ type: 'payment_intent.succeeded', limit: 1 });
      assert.equal(events.data[0].data.object.id, paid.id);
      return events.data[0];
    });
    const event = await stripe.events.retrieve(newest.id);
    assert.equal(event.type, 'payment_intent.succeeded');
  },

  async 'webhook endpoints'() {
    const endpoint = await stripe.webhookEndpoints.create({
      url: 'https://example.com/hook',
      enabled_events: ['charge.refunded'],
    });
    assert.ok(endpoint.secret.startsWith('whsec_'));
    const read = await stripe.webhookEndpoints.retrieve(endpoint.id);
    assert.deepEqual([read.url, read.secret], ['https://example.com/hook', undefined]);
    const listed = await stripe.webhookEndpoints.list({ limit: 1 });
    assert.equal(listed.data[0].id, endpoint.id);
    const updated = await stripe.webhookEndpoints.update(endpoint.id, { disabled: true });
    assert.equal(updated.status, 'disabled');
    const deleted = await stripe.webhookEndpoints.del(endpoint.id);
    assert.equal(deleted.deleted, true);
  },

  async 'a connected account sees only its own objects'() {
    sandboxOnly('the check connects an account with the control API');
    await stripe.rawRequest('POST', '/_sandbox/accounts', { id: 'acct_1' });
    const intent = await stripe.paymentIntents.create(cards, { stripeAccount: 'acct_1' });
    assert.equal(intent.application, 'ca_SandboxPlatform');
    const events = await stripe.events.list({ limit: 1 }, { stripeAccount: 'acct_1' });
    assert.deepEqual([events.data[0].data.object.id, events.data[0].account], [intent.id, undefined]);
    const mug = await stripe.products.create({ name: 'Mug' }, { stripeAccount: 'acct_1' });
    assert.equal((await stripe.products.retrieve(mug.id, {}, { stripeAccount: 'acct_1' })).name, 'Mug');
    assert.equal((await failure(stripe.products.retrieve(mug.id))).code, 'resource_missing');
    const elsewhere = await failure(stripe.paymentIntents.retrieve(intent.id));
    assert.equal(elsewhere.code, 'resource_missing');
    const read = await stripe.paymentIntents.retrieve(intent.id, {}, { stripeAccount: 'acct_1' });
    assert.equal(read.id, intent.id);
    const forbidden = await failure(stripe.paymentIntents.list({}, { stripeAccount: 'acct_unknown' }));
    assert.ok(forbidden instanceof Stripe.errors.StripePermissionError);
    assert.equal(forbidden.code, 'account_invalid');
  },

  async 'accounts, capabilities and account links'() {
    sandboxOnly('the check needs a platform account');
    const account = await stripe.accounts.create({
      type: 'express',
      country: 'DE',
      email: 'ada@example.com',
      capabilities: { card_payments: { requested: true }, transfers: { requested: true } },
      business_profile: { name: 'Ada', url: 'https://ada.example' },
    });
    assert.equal(account.charges_enabled, false);
    assert.ok(account.requirements.currently_due.length > 0);
    const capabilities = await stripe.accounts.listCapabilities(account.id);
    assert.deepEqual(capabilities.data.map(({ id, status }) => [id, status]), [
      ['card_payments', 'inactive'],
      ['transfers', 'inactive'],
    ]);
    const transfers = await stripe.accounts.retrieveCapability(account.id, 'transfers');
    assert.deepEqual([transfers.requested, transfers.status], [true, 'inactive']);
    const link = await stripe.accountLinks.create({
      account: account.id,
      type: 'account_onboarding',
      refresh_url: 'https://shop.example/again',
      return_url: 'https://shop.example/back',
      collection_options: { fields: 'eventually_due' },
    });
    const page = await (await fetch(link.url)).text();
    const form = new URL(/action="([^"]+)"/.exec(page)[1], link.url);
    const body = new URLSearchParams({ outcome: 'complete' });
    const back = await fetch(form, { method: 'POST', body, redirect: 'manual' });
    assert.equal(back.headers.get('location'), 'https://shop.example/back');
    const ready = await stripe.accounts.retrieve(account.id);
    assert.equal(ready.charges_enabled, true);
    assert.equal(ready.settings.dashboard.display_name, 'Ada');
    const off = await stripe.accounts.updateCapability(account.id, 'card_payments', { requested: false });
    assert.equal(off.status, 'unrequested');
    await stripe.accounts.update(account.id, { metadata: { seller: '7' } });
    const found = await stripe.accounts.list({ limit: 1 });
    assert.equal(found.data[0].metadata.seller, '7');
    const rejected = await stripe.accounts.reject(account.id, { reason: 'fraud' });
    assert.equal(rejected.requirements.disabled_reason, 'rejected.platform_fraud');
    assert.equal((await stripe.accounts.del(account.id)).deleted, true);
    const gone = await failure(stripe.accounts.retrieve(account.id));
    assert.ok(gone instanceof Stripe.errors.StripePermissionError);
  },

  async 'OAuth'() {
    sandboxOnly("the check needs a user on Stripe's page");
    const authorizeUrl = new URL(stripe.oauth.authorizeUrl({
      client_id: 'ca_Test1',
      state: 'a b+c',
      redirect_uri: 'https://shop.example/back',
      stripe_user: { email: 'ada@example.com' },
    }));
    const page = await (await fetch(new URL(authorizeUrl.pathname + authorizeUrl.search, url))).text();
    assert.match(page, /ada@example.com/);
    const body = new URLSearchParams({ decision: 'connect', account: 'new', business_name: 'Ada' });
    for (const name of ['client_id', 'redirect_uri', 'state', 'scope']) body.set(name, authorizeUrl.searchParams.get(name));
    const response = await fetch(new URL('/oauth/authorize', url), { method: 'POST', body, redirect: 'manual' });
    const redirect = new URL(response.headers.get('location'));
    assert.equal(redirect.searchParams.get('state'), 'a b+c');
    const grant = { grant_type: 'authorization_code', code: redirect.searchParams.get('code') };
    const token = await stripe.oauth.token(grant);
    assert.equal(token.scope, 'read_write');
    const own = new Stripe(token.access_token, { host: url.hostname, port: url.port, protocol: 'http' });
    assert.equal((await own.accounts.retrieveCurrent()).id, token.stripe_user_id);
    const used = await failure(stripe.oauth.token(grant));
    assert.equal(used.type, 'StripeInvalidGrantError');
    const unknown = { client_id: 'ca_Test1', stripe_user_id: 'acct_unknown' };
    assert.equal((await failure(stripe.oauth.deauthorize(unknown))).type, 'StripeInvalidClientError');
    const gone = await stripe.oauth.deauthorize({ client_id: 'ca_Test1', stripe_user_id: token.stripe_user_id });
    assert.equal(gone.stripe_user_id, token.stripe_user_id);
    assert.ok(await failure(stripe.accounts.retrieve(token.stripe_user_id)));
  },

  async 'fees and transfers'() {
    sandboxOnly('the check connects an account with the control API');
    const { id } = await stripe.rawRequest('POST', '/_sandbox/accounts', { country: 'DE' });
    const paid = { ...cards, confirm: true, payment_method: 'pm_card_visa', application_fee_amount: 100 };
    const direct = await stripe.paymentIntents.create(paid, { stripeAccount: id });
    const fees = await stripe.applicationFees.list({ charge: direct.latest_charge });
    assert.deepEqual(fees.data.map(({ amount, account }) => [amount, account]), [[100, id]]);
    const feeRefund = await stripe.applicationFees.createRefund(fees.data[0].id, { amount: 40 });
    assert.equal(feeRefund.amount, 40);
    const [fee] = fees.data;
    assert.equal((await stripe.applicationFees.retrieve(fee.id)).amount_refunded, 40);
    assert.equal((await stripe.applicationFees.retrieveRefund(fee.id, feeRefund.id)).amount, 40);
    const updatedMetadata = await stripe.applicationFees.updateRefund(fee.id, feeRefund.id, { metadata: { why: 'late' } });
    assert.equal(updatedMetadata.metadata.why, 'late');
    const refunds = await stripe.applicationFees.listRefunds(fee.id);
    assert.deepEqual(refunds.data.map((one) => one.id), [feeRefund.id]);
    const withoutAccount = await failure(stripe.paymentIntents.create(paid));
    assert.equal(withoutAccount.param, 'application_fee_amount');
    const transferred = await stripe.paymentIntents.create({ ...paid, transfer_data: { destination: id } });
    const [transfer] = (await stripe.transfers.list({ destination: id })).data;
    assert.equal(transfer.source_transaction, transferred.latest_charge);
    const refund = await stripe.refunds.create({
      payment_intent: transferred.id,
      amount: 500,
      reverse_transfer: true,
      refund_application_fee: true,
    });
    const reversal = await stripe.transfers.retrieveReversal(transfer.id, refund.transfer_reversal);
    assert.equal(reversal.amount, 500);
    const why = { metadata: { why: 'late' } };
    assert.equal((await stripe.transfers.updateReversal(transfer.id, reversal.id, why)).metadata.why, 'late');
    const reversals = await stripe.transfers.listReversals(transfer.id);
    assert.deepEqual(reversals.data.map((one) => one.id), [reversal.id]);
    assert.equal((await stripe.transfers.update(transfer.id, why)).metadata.why, 'late');
    await stripe.transfers.createReversal(transfer.id);
    assert.equal((await stripe.transfers.retrieve(transfer.id)).reversed, true);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok      ${name}`);
  } catch (error) {
    if (error instanceof Skipped) {
      console.log(`skipped ${name}: ${error.message}`);
      continue;
    }
    failed += 1;
    console.log(`FAILED  ${name}: ${error.stack}`);
  }
}
process.exit(failed === 0 ? 0 : 1);
