// What this browser remembers: the cart, the order that is being paid, and the tokens of earlier orders.

import type { PlacedOrder } from './api';

export interface Line {
  productId: string;
  quantity: number;
}

/** The order that is being placed for a cart. The key is kept before it is used, so that nothing is placed twice. */
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
    // Nothing there, or nothing that can be read, or no storage allowed.
    return fallback;
  }
}

function write(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Without storage the shop still works until the page is left.
  }
}

export const cart = {
  lines: (): Line[] => read<Line[]>(CART, []).filter((line) => line.quantity > 0),
  /** Sets how many of a product are wanted. */
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
  /** The same for the same goods in any order. */
  fingerprint(): string {
    return JSON.stringify(this.lines().map(({ productId, quantity }) => `${quantity}×${productId}`).sort());
  },
  count(): number {
    return this.lines().reduce((sum, line) => sum + line.quantity, 0);
  },
};

/** A text nobody can guess. (`randomUUID` is not there on plain http, but for this machine.) */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const checkout = {
  current: (): Checkout | null => read<Checkout | null>(CHECKOUT, null),
  begin(): Checkout {
    const checkout = { cart: cart.fingerprint(), idempotencyKey: randomKey() };
    write(CHECKOUT, checkout);
    return checkout;
  },
  placed(checkout: Checkout, order: PlacedOrder): void {
    write(CHECKOUT, { ...checkout, orderId: order.id });
    const others = read<[string, string][]>(TOKENS, []).filter(([id]) => id !== order.id);
    write(TOKENS, [[order.id, order.client_token], ...others].slice(0, TOKENS_MAX));
  },
  /** How many of a product the order that is being paid holds for this customer. */
  held(productId: string): number {
    const now = this.current();
    if (!now?.orderId) return 0;
    const line = (JSON.parse(now.cart) as string[]).find((text) => text.endsWith(`×${productId}`));
    return line ? Number.parseInt(line, 10) : 0;
  },
  end(): void {
    write(CHECKOUT, null);
  },
};

/** The token of an order that was placed in this browser. */
export function tokenOf(orderId: string): string | undefined {
  return read<[string, string][]>(TOKENS, []).find(([id]) => id === orderId)?.[1];
}
