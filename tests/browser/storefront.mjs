// The shop of examples/checkout as a customer handles it, and what became of their orders.

import assert from 'node:assert/strict';
import { stripe, until } from './support.mjs';

export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** What there is to do in the shop of the service that `service` answers. */
export function storefront(service) {
  async function openShop(page) {
    await page.goto(`${service().url}/demo/`);
    await page.getByRole('heading', { name: 'Pour-over kettle' }).waitFor();
  }

  const addToCart = (page, name) => page.getByRole('button', { name: `Add to cart: ${name}` }).click();

  /** Puts things into the cart and goes to the checkout; answers the id of the order that was placed. */
  async function goToCheckout(page, names = ['Ceramic dripper', 'Paper filters']) {
    await openShop(page);
    for (const name of names) await addToCart(page, name);
    const placed = page.waitForResponse((response) => response.url().endsWith('/v1/orders') && response.request().method() === 'POST');
    await page.getByRole('button', { name: /^Cart/ }).click();
    await page.getByRole('button', { name: 'Checkout' }).click();
    const order = await (await placed).json();
    await payButton(page).waitFor();
    await until(() => payButton(page).isEnabled(), (isEnabled) => isEnabled);
    return order;
  }

  /** Pays in the Payment Element. Its name carries the price. */
  const payButton = (page) => page.getByRole('button', { name: /^Pay(ing…| \D?\d)/ });

  async function fillDetails(page) {
    await page.getByLabel('Email').fill('ada@example.com');
    await page.getByLabel('Full name').fill('Ada Lovelace');
    await page.getByLabel('Address', { exact: true }).fill('12 St James’s Square');
    await page.getByLabel('Postal code').fill('D02 AF30');
    await page.getByLabel('City').fill('Dublin');
    await page.getByLabel('Country').selectOption('IE');
  }

  const thanks = (page) => page.getByRole('heading', { name: 'Thank you!' }).waitFor();

  /** The order as the back office sees it. */
  async function orderOf(id) {
    const answer = await fetch(`${service().url}/v1/orders/${id}`, { headers: { Authorization: `Bearer ${service().key}` } });
    assert.equal(answer.status, 200);
    return answer.json();
  }

  const isStatus = (status) => (order) => order.status === status;

  /** What Stripe has of an order: on the platform's account, or on a connected one. */
  async function atStripe(orderId, account = undefined) {
    const list = async (route) => (await stripe(service(), 'GET', route, { limit: 100 }, account)).data;
    const intents = (await list('/v1/payment_intents')).filter(({ metadata }) => metadata.order_id === orderId);
    const ids = intents.map(({ id }) => id);
    const charges = (await list('/v1/charges')).filter((charge) => ids.includes(charge.payment_intent));
    return { intents, charges };
  }

  return { openShop, addToCart, goToCheckout, payButton, fillDetails, thanks, orderOf, isStatus, atStripe };
}
