// What is left of the goods, as far as a shop says it.

import type { Product } from './api';
import { checkout } from './memory';

/** Up to how many it is said that they are few. */
const FEW = 5;

/** How many this customer could buy: those that nobody has, and those that their own open order holds. */
export function availableOf({ id, stock }: Product): number {
  return stock === null ? Infinity : stock + checkout.held(id);
}

export function leftText(left: number): string {
  return left === 0 ? 'Sold out' : `Only ${left} left`;
}

/** What there is to say of so many, if there is. */
export function fewText(left: number): string | null {
  return left <= FEW ? leftText(left) : null;
}
