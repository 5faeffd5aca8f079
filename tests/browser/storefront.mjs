// The steps of a customer in the shop of examples/checkout, and the resulting orders.

import { CARDS, callApi, stripe, typeCard, waitUntil } from './support.mjs';

export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** Returns the steps in the shop. `service` returns the running service. */
export function storefront(service) {
  async function openShop(page) {
    await page.goto(`${service().url}/demo/`);
    await page.getByRole('heading', { name: 'Pour-over kettle' }).waitFor();
  }

  const addToCart = (page, name) => page.getByRole('button', { name: `Add to cart: ${name}` }).click();

  async function openCheckoutFromCart(page) {
    await page.getByRole('button', { name: /^Cart/ }).click();
    await page.getByRole('button', { name: 'Checkout' }).click();
  }

  /** Adds products to the cart and goes to the checkout. Returns the order. */
  async function goToCheckout(page, names = ['Ceramic dripper', 'Paper filters']) {
    await openShop(page);
    for (const name of names) await addToCart(page, name);
    const placed = nextPlacedOrder(page);
    await openCheckoutFromCart(page);
    const order = await placed;
    await waitForPaymentForm(page);
    return order;
  }

  /** Waits for the next order that the page places. */
  async function nextPlacedOrder(page) {
    const isPlacement = (response) => response.url().endsWith('/v1/orders') && response.request().method() === 'POST';
    return (await page.waitForResponse(isPlacement)).json();
  }

  /** Returns the button of the Payment Element's form. Its name contains the price. */
  const payButton = (page) => page.getByRole('button', { name: /^Pay(ing…| \D?\d)/ });

  /** Waits until the payment form is ready. */
  const waitForPaymentForm = (page) =>
    waitUntil(() => payButton(page).isEnabled().catch(() => false), (isEnabled) => isEnabled);

  async function fillDetails(page) {
    await page.getByLabel('Email').fill('ada@example.com');
    await page.getByLabel('Full name').fill('Ada Lovelace');
    await page.getByLabel('Address', { exact: true }).fill('12 St James’s Square');
    await page.getByLabel('Postal code').fill('D02 AF30');
    await page.getByLabel('City').fill('Dublin');
    await page.getByLabel('Country').selectOption('IE');
  }

  /** Goes to the checkout and fills in the details and a card. Returns the order. */
  async function fillCheckout(page, card = CARDS.success, names = undefined) {
    const order = await goToCheckout(page, names);
    await fillDetails(page);
    await typeCard(page, card);
    return order;
  }

  /** Buys products with a card in the Payment Element. Returns the order. */
  async function buy(page, names = undefined) {
    const order = await fillCheckout(page, CARDS.success, names);
    await payButton(page).click();
    await waitForThanks(page);
    return order;
  }

  const waitForThanks = (page) => page.getByRole('heading', { name: 'Thank you!' }).waitFor();

  /** Reads an order with the secret key. */
  const readOrder = (id) => callApi(service(), 'GET', `/v1/orders/${id}`);

  const waitForStatus = (id, status, timeoutMs = undefined) =>
    waitUntil(() => readOrder(id), (order) => order.status === status, timeoutMs);

  /** Reads an order's PaymentIntents and charges from Stripe, on the platform's or a connected account. */
  async function readStripe(orderId, account = undefined) {
    const list = async (route) => (await stripe(service(), 'GET', route, { limit: 100 }, account)).data;
    const intents = (await list('/v1/payment_intents')).filter(({ metadata }) => metadata.order_id === orderId);
    const ids = intents.map(({ id }) => id);
    const charges = (await list('/v1/charges')).filter((charge) => ids.includes(charge.payment_intent));
    return { intents, charges, succeeded: charges.filter(({ status }) => status === 'succeeded') };
  }

  return {
    openShop, addToCart, openCheckoutFromCart, goToCheckout, nextPlacedOrder, payButton, waitForPaymentForm, fillDetails,
    fillCheckout, buy, waitForThanks, readOrder, waitForStatus, readStripe,
  };
}
