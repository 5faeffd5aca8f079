// Data in the browser's localStorage: the cart, the current checkout, and the tokens of recent orders.

import type { PlacedOrder } from './api';

export interface CartLine {
  productId: string;
  quantity: number;
}

/** The checkout of a cart. The idempotency key is stored before it's used, so the order is placed once. */
export interface Checkout {
  cart: string;
  idempotencyKey: string;
  orderId?: string;
}

const CART = 'slow-pour:cart';
const CHECKOUT = 'slow-pour:checkout';
const TOKENS = 'slow-pour:orders';
const TOKENS_MAX = 20;
const QUANTITY_MAX = 99;

function read<T>(key: string, fallback: T): T {
  try {
    return JSON.parse(localStorage.getItem(key) ?? '') as T;
  } catch {
    // The item is missing or invalid, or storage is disabled.
    return fallback;
  }
}

function write(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Without storage, the shop works until the customer leaves the page.
  }
}

export const cart = {
  lines: (): CartLine[] => read<CartLine[]>(CART, []).filter((line) => line.quantity > 0),
  /** Sets the quantity of a product. */
  set(productId: string, quantity: number): void {
    const others = this.lines().filter((line) => line.productId !== productId);
    const line = { productId, quantity: Math.min(Math.max(0, Math.round(quantity)), QUANTITY_MAX) };
    write(CART, [...others, line].filter(({ quantity }) => quantity > 0));
    window.dispatchEvent(new Event('cart'));
  },
  quantityOf: (productId: string): number => cart.lines().find((line) => line.productId === productId)?.quantity ?? 0,
  add(productId: string): void {
    this.set(productId, this.quantityOf(productId) + 1);
  },
  clear(): void {
    write(CART, []);
    window.dispatchEvent(new Event('cart'));
  },
  /** Returns a text that is equal for carts with the same content in any order. */
  fingerprint(): string {
    return JSON.stringify(this.lines().map(({ productId, quantity }) => `${quantity}×${productId}`).sort());
  },
  count(): number {
    return this.lines().reduce((sum, line) => sum + line.quantity, 0);
  },
};

/** Returns an unguessable key. (`crypto.randomUUID` requires https or localhost.) */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const checkout = {
  current: (): Checkout | null => read<Checkout | null>(CHECKOUT, null),
  start(): Checkout {
    const checkout = { cart: cart.fingerprint(), idempotencyKey: randomKey() };
    write(CHECKOUT, checkout);
    return checkout;
  },
  setOrder(checkout: Checkout, order: PlacedOrder): void {
    write(CHECKOUT, { ...checkout, orderId: order.id });
    const others = read<[string, string][]>(TOKENS, []).filter(([id]) => id !== order.id);
    write(TOKENS, [[order.id, order.client_token], ...others].slice(0, TOKENS_MAX));
  },
  /** Returns the quantity of a product that the current unpaid order reserves. */
  reservedQuantity(productId: string): number {
    const current = this.current();
    if (!current?.orderId) return 0;
    const line = (JSON.parse(current.cart) as string[]).find((text) => text.endsWith(`×${productId}`));
    return line ? Number.parseInt(line, 10) : 0;
  },
  clear(): void {
    write(CHECKOUT, null);
  },
};

/** Returns the token of an order that was placed in this browser. */
export function orderToken(orderId: string): string | undefined {
  return read<[string, string][]>(TOKENS, []).find(([id]) => id === orderId)?.[1];
}
