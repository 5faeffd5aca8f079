// The shop page: catalog, cart, and checkout. The URL's hash selects the view.

import './style.css';
import { api, type Product } from './api';
import { openCheckout } from './checkout';
import { announce, el, errorMessage, requireElement, showMessage, showMode } from './dom';
import { formatAmount, setCurrencyRules } from './money';
import { picture } from './pictures';
import { availableQuantity, lowStockText, stockText } from './stock';
import { cart } from './storage';

const main = requireElement<HTMLElement>('#main');
const drawer = requireElement<HTMLDialogElement>('.drawer');
const cartButton = requireElement<HTMLButtonElement>('.cart-button');

/** The config and catalog. Loaded once, and again after a failure or when the catalog is shown again. */
let shopData: ReturnType<typeof loadShop> | null = null;

async function loadShop() {
  const [config, products] = await Promise.all([api.config(), api.products()]);
  setCurrencyRules(config.currencies);
  showMode(config.mode);
  if (config.mode !== 'live') requireElement('.foot').append(el('p', {}, el('a', { href: 'sellers.html' }, 'Manage sellers')));
  return { config, products: products.data };
}

function loadShopOnce() {
  shopData ??= loadShop().catch((error: unknown) => {
    shopData = null;
    throw error;
  });
  return shopData;
}

/** Whether the cart contains items from another seller. An order can have only one seller. */
function cartHasOtherSeller(product: Product, products: Product[]): boolean {
  return cartLines(products).some(({ product: { seller_id } }) => seller_id !== product.seller_id);
}

function productCard(product: Product, products: Product[]): HTMLElement {
  const available = availableQuantity(product);
  const isSoldOut = available === 0;
  const isCartAtLimit = () => cart.quantityOf(product.id) >= available;
  const add = el('button', {
    type: 'button',
    class: 'button',
    disabled: isSoldOut,
    onclick: () => {
      if (isCartAtLimit()) return announce(`Your cart already contains all available items of ${product.name}.`);
      const isRejected = cartHasOtherSeller(product, products);
      otherSeller.hidden = !isRejected;
      if (isRejected) return announce(otherSeller.textContent);
      cart.add(product.id);
      announce(`${product.name} added. Items in your cart: ${cart.count()}.`);
      add.replaceChildren('Added');
      setTimeout(updateLabel, 1400);
    },
  });
  const otherSeller = el('p', { class: 'stock', hidden: true },
    'Your cart has items from another seller. Please check out or empty your cart first.');
  const updateLabel = () => {
    const text = isSoldOut ? 'Sold out' : isCartAtLimit() ? 'In your cart' : 'Add to cart';
    add.replaceChildren(text);
    add.setAttribute('aria-label', `${text}: ${product.name}`);
    // `disabled` would move the focus away from the button.
    add.setAttribute('aria-disabled', String(isCartAtLimit()));
  };
  updateLabel();
  const stock = isSoldOut ? null : lowStockText(available);
  // The catalog contains only seller IDs. The seller page stores the name in the metadata.
  const soldBy = product.seller_id && product.metadata.sold_by;
  return el('li', { class: isSoldOut ? 'product sold-out' : 'product' },
    el('div', { class: 'picture' }, picture(product.name)),
    el('div', { class: 'product-text' },
      el('h2', {}, product.name),
      product.description ? el('p', { class: 'quiet' }, product.description) : null,
      soldBy ? el('p', { class: 'quiet' }, `Sold by ${soldBy}`) : null,
      stock ? el('p', { class: 'stock' }, stock) : null,
      otherSeller),
    el('div', { class: 'product-buy' },
      el('span', { class: 'price' }, formatAmount(product.unit_amount, product.currency)), add));
}

async function showCatalog(): Promise<void> {
  document.title = 'Slow Pour · Coffee gear';
  // Stock changes all the time, so load the catalog again.
  shopData = null;
  const { products } = await loadShopOnce();
  const list = products.length
    ? el('ul', { class: 'products' }, ...products.map((product) => productCard(product, products)))
    : el('p', { class: 'quiet' }, 'No products yet. Add one with POST /v1/products.');
  main.className = 'catalog';
  main.replaceChildren(
    el('div', { class: 'hero' },
      el('h1', {}, 'Coffee, slowly.'),
      el('p', {}, 'Everything you need for a good cup, and nothing you don’t.')),
    list);
}

/** Returns the cart lines with their products. Skips products that left the catalog. */
function cartLines(products: Product[]) {
  return cart.lines().flatMap(({ productId, quantity }) => {
    const product = products.find(({ id }) => id === productId);
    return product ? [{ product, quantity }] : [];
  });
}

function drawerLine({ product, quantity }: { product: Product; quantity: number }): HTMLElement {
  const available = availableQuantity(product);
  const step = (by: number, label: string, sign: string) => el('button', {
    type: 'button', class: 'step', 'aria-label': `${label}: ${product.name}`,
    onclick: () => {
      if (by > 0 && quantity >= available) return announce(`Your cart already contains all available items of ${product.name}.`);
      cart.set(product.id, quantity + by);
      announce(`${product.name}: ${quantity + by}`);
      drawer.querySelector<HTMLElement>(`[aria-label="${CSS.escape(`${label}: ${product.name}`)}"]`)?.focus();
    },
  }, sign);
  return el('li', { class: 'line' },
    el('div', { class: 'thumb' }, picture(product.name)),
    el('div', { class: 'line-text' },
      el('span', { class: 'line-name' }, product.name),
      quantity >= available ? el('span', { class: 'stock' }, stockText(available)) : null,
      el('span', { class: 'stepper' }, step(-1, 'Remove one', '−'),
        el('span', { class: 'quantity', 'aria-label': `Quantity ${quantity}` }, String(quantity)), step(1, 'Add one', '+'))),
    el('span', { class: 'line-price' }, formatAmount(product.unit_amount * quantity, product.currency)));
}

async function showDrawer(): Promise<void> {
  const { products } = await loadShopOnce();
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
          el('p', { class: 'total' }, el('span', {}, 'Total'), el('strong', {}, formatAmount(total, currency))),
          el('a', { class: 'button wide', role: 'button', href: '#/checkout', onclick: () => drawer.close() }, 'Checkout')))
      : el('p', { class: 'quiet drawer-empty' }, 'Your cart is empty.'));
}

function showCount(): void {
  const count = cart.count();
  const badge = requireElement('.count');
  badge.textContent = String(count);
  badge.classList.toggle('none', count === 0);
  cartButton.setAttribute('aria-label', `Cart, ${count} ${count === 1 ? 'item' : 'items'}`);
}

function failed(error: unknown): void {
  showMessage(main, 'Something went wrong',
    el('p', { role: 'alert' }, errorMessage(error)),
    el('button', { type: 'button', class: 'button', onclick: () => void route() }, 'Try again'));
}

/** Leaves the current checkout, if any. */
let leaveCheckout: () => void = () => {};

async function route(notice = ''): Promise<void> {
  leaveCheckout();
  leaveCheckout = () => {};
  const isCheckout = window.location.hash.startsWith('#/checkout');
  document.body.classList.toggle('is-checkout', isCheckout);
  try {
    if (!isCheckout) return await showCatalog();
    const { config, products } = await loadShopOnce();
    const controller = new AbortController();
    leaveCheckout = () => controller.abort();
    await openCheckout(main, config, products, controller.signal, (why) => void route(why), notice);
  } catch (error) {
    failed(error);
  }
}

cartButton.addEventListener('click', () => {
  showDrawer().then(() => drawer.showModal(), failed);
});
// A click outside the drawer closes it.
drawer.addEventListener('click', (event) => {
  if (event.target === drawer) drawer.close();
});
window.addEventListener('cart', () => {
  showCount();
  if (drawer.open) void showDrawer();
});
// Another tab changed the cart.
window.addEventListener('storage', showCount);
window.addEventListener('hashchange', () => {
  void route().then(() => {
    window.scrollTo(0, 0);
    if (!main.contains(document.activeElement)) main.focus({ preventScroll: true });
  });
});
// The back button can restore a page in the middle of a payment, so render it again.
window.addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  showCount();
  void route();
});
requireElement('.skip').addEventListener('click', (event) => {
  // The hash selects the view, so the skip link can't change it. Move the focus instead.
  event.preventDefault();
  main.focus();
});
showCount();
void route();
