// The stock of products, as customers see it.

import type { Product } from './api';
import { checkout } from './storage';

/** The shop shows the exact stock up to this quantity. */
const LOW_STOCK_MAX = 5;

/** Returns how many items this customer can buy: the stock, plus the items that their own open order reserves. */
export function availableQuantity({ id, stock }: Product): number {
  return stock === null ? Infinity : stock + checkout.reservedQuantity(id);
}

export function stockText(left: number): string {
  return left === 0 ? 'Sold out' : `Only ${left} left`;
}

/** Returns a text if the stock is low, or null. */
export function lowStockText(left: number): string | null {
  return left <= LOW_STOCK_MAX ? stockText(left) : null;
}
