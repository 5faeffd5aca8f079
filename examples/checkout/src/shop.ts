// The shop: catalogue, cart, and the way to the checkout. What is shown follows the part of the address after #.

import './style.css';
import { api, type Product } from './api';
import { openCheckout } from './checkout';
import { announce, el, messageOf, need, showMessage, showMode } from './dom';
import { cart } from './memory';
import { learnCurrencies, money } from './money';
import { picture } from './pictures';
import { availableOf, fewText, leftText } from './stock';

const main = need<HTMLElement>('#main');
const drawer = need<HTMLDialogElement>('.drawer');
const cartButton = need<HTMLButtonElement>('.cart-button');

/** Config and catalogue: asked for once, and again after a failure or when the catalogue is shown again. */
let loaded: ReturnType<typeof loadShop> | null = null;

async function loadShop() {
  const [config, products] = await Promise.all([api.config(), api.products()]);
  learnCurrencies(config.currencies);
  showMode(config.mode);
  if (config.mode !== 'live') need('.foot').append(el('p', {}, el('a', { href: 'sellers.html' }, 'The sellers of this shop')));
  return { config, products: products.data };
}

function shop() {
  loaded ??= loadShop().catch((error: unknown) => {
    loaded = null;
    throw error;
  });
  return loaded;
}

/** Whether something is in the cart that another sells: an order is with one seller. */
function isOfAnother(product: Product, products: Product[]): boolean {
  return cartLines(products).some(({ product: { seller_id } }) => seller_id !== product.seller_id);
}

function productCard(product: Product, products: Product[]): HTMLElement {
  const available = availableOf(product);
  const isSoldOut = available === 0;
  const isAllInCart = () => cart.quantityOf(product.id) >= available;
  const add = el('button', {
    type: 'button',
    class: 'button',
    disabled: isSoldOut,
    onclick: () => {
      if (isAllInCart()) return announce(`All that is left of ${product.name} is in your cart.`);
      const isRefused = isOfAnother(product, products);
      refusal.hidden = !isRefused;
      if (isRefused) return announce(refusal.textContent);
      cart.add(product.id);
      announce(`${product.name} is in your cart. ${cart.count()} in all.`);
      add.replaceChildren('Added');
      setTimeout(label, 1400);
    },
  });
  const refusal = el('p', { class: 'stock', hidden: true },
    'Your cart is with another seller, and each order is with one. Order that first, or empty the cart.');
  const label = () => {
    const text = isSoldOut ? 'Sold out' : isAllInCart() ? 'In your cart' : 'Add to cart';
    add.replaceChildren(text);
    add.setAttribute('aria-label', `${text}: ${product.name}`);
    // Not `disabled`: who has just pressed it would lose their place on the page.
    add.setAttribute('aria-disabled', String(isAllInCart()));
  };
  label();
  const stock = isSoldOut ? null : fewText(available);
  // The catalogue knows sellers by their ids: this is what the seller page writes there.
  const soldBy = product.seller_id && product.metadata.sold_by;
  return el('li', { class: isSoldOut ? 'product sold-out' : 'product' },
    el('div', { class: 'picture' }, picture(product.name)),
    el('div', { class: 'product-text' },
      el('h2', {}, product.name),
      product.description ? el('p', { class: 'quiet' }, product.description) : null,
      soldBy ? el('p', { class: 'quiet' }, `Sold by ${soldBy}`) : null,
      stock ? el('p', { class: 'stock' }, stock) : null,
      refusal),
    el('div', { class: 'product-buy' },
      el('span', { class: 'price' }, money(product.unit_amount, product.currency)), add));
}

async function showCatalogue(): Promise<void> {
  document.title = 'Slow Pour · coffee things';
  // What is left changes by the minute.
  loaded = null;
  const { products } = await shop();
  const list = products.length
    ? el('ul', { class: 'products' }, ...products.map((product) => productCard(product, products)))
    : el('p', { class: 'quiet' }, 'The shelves are empty: add a product with POST /v1/products.');
  main.className = 'catalogue';
  main.replaceChildren(
    el('div', { class: 'hero' },
      el('h1', {}, 'Coffee, slowly.'),
      el('p', {}, 'All it takes for a good cup, and nothing you will not use tomorrow.')),
    list);
}

/** The lines of the cart that the catalogue still has, with what they cost. */
function cartLines(products: Product[]) {
  return cart.lines().flatMap(({ productId, quantity }) => {
    const product = products.find(({ id }) => id === productId);
    return product ? [{ product, quantity }] : [];
  });
}

function drawerLine({ product, quantity }: { product: Product; quantity: number }): HTMLElement {
  const available = availableOf(product);
  const step = (by: number, label: string, sign: string) => el('button', {
    type: 'button', class: 'step', 'aria-label': `${label}: ${product.name}`,
    onclick: () => {
      if (by > 0 && quantity >= available) return announce(`All that is left of ${product.name} is in your cart.`);
      cart.set(product.id, quantity + by);
      announce(`${product.name}: ${quantity + by}`);
      drawer.querySelector<HTMLElement>(`[aria-label="${CSS.escape(`${label}: ${product.name}`)}"]`)?.focus();
    },
  }, sign);
  return el('li', { class: 'line' },
    el('div', { class: 'thumb' }, picture(product.name)),
    el('div', { class: 'line-text' },
      el('span', { class: 'line-name' }, product.name),
      quantity >= available ? el('span', { class: 'stock' }, leftText(available)) : null,
      el('span', { class: 'stepper' }, step(-1, 'One less', '−'),
        el('span', { class: 'quantity', 'aria-label': `Quantity ${quantity}` }, String(quantity)), step(1, 'One more', '+'))),
    el('span', { class: 'line-price' }, money(product.unit_amount * quantity, product.currency)));
}

async function showDrawer(): Promise<void> {
  const { products } = await shop();
  const lines = cartLines(products);
  const total = lines.reduce((sum, { product, quantity }) => sum + product.unit_amount * quantity, 0);
  const currency = lines[0]?.product.currency;
  const close = el('button', {
    type: 'button', class: 'close', 'aria-label': 'Close cart', onclick: () => drawer.close(),
  }, '×');
  drawer.replaceChildren(
    el('div', { class: 'drawer-head' }, el('h2', { id: 'cart-title' }, 'Your cart'), close),
    lines.length && currency
      ? el('div', { class: 'drawer-body' },
        el('ul', { class: 'lines' }, ...lines.map(drawerLine)),
        el('div', { class: 'drawer-foot' },
          el('p', { class: 'total' }, el('span', {}, 'Total'), el('strong', {}, money(total, currency))),
          el('a', { class: 'button wide', role: 'button', href: '#/checkout', onclick: () => drawer.close() }, 'Checkout')))
      : el('p', { class: 'quiet drawer-empty' }, 'Nothing in here yet.'));
}

function showCount(): void {
  const count = cart.count();
  const badge = need('.count');
  badge.textContent = String(count);
  badge.classList.toggle('none', count === 0);
  cartButton.setAttribute('aria-label', `Cart, ${count} ${count === 1 ? 'item' : 'items'}`);
}

function failed(error: unknown): void {
  showMessage(main, 'That did not work',
    el('p', { role: 'alert' }, messageOf(error)),
    el('button', { type: 'button', class: 'button', onclick: () => void route() }, 'Try again'));
}

/** Leaves the checkout that is shown, if one is. */
let leave: () => void = () => {};

async function route(notice = ''): Promise<void> {
  leave();
  leave = () => {};
  const isCheckout = window.location.hash.startsWith('#/checkout');
  document.body.classList.toggle('is-checkout', isCheckout);
  try {
    if (!isCheckout) return await showCatalogue();
    const { config, products } = await shop();
    const controller = new AbortController();
    leave = () => controller.abort();
    await openCheckout(main, config, products, controller.signal, (why) => void route(why), notice);
  } catch (error) {
    failed(error);
  }
}

cartButton.addEventListener('click', () => {
  showDrawer().then(() => drawer.showModal(), failed);
});
// A click beside the drawer closes it.
drawer.addEventListener('click', (event) => {
  if (event.target === drawer) drawer.close();
});
window.addEventListener('cart', () => {
  showCount();
  if (drawer.open) void showDrawer();
});
// Another tab has changed the cart.
window.addEventListener('storage', showCount);
window.addEventListener('hashchange', () => {
  void route().then(() => {
    window.scrollTo(0, 0);
    if (!main.contains(document.activeElement)) main.focus({ preventScroll: true });
  });
});
// The browser's back button brings a page back as it was left, maybe in the middle of a payment: look again.
window.addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  showCount();
  void route();
});
need('.skip').addEventListener('click', (event) => {
  // The part after # says what is shown, so this link moves the focus by itself.
  event.preventDefault();
  main.focus();
});
showCount();
void route();
