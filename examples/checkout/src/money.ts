/** Formats an amount in minor units for customers: `2499` in `eur` is €24.99. */
export function formatAmount(amount: number, currency: string): string {
  const format = new Intl.NumberFormat(undefined, { style: 'currency', currency: currency.toUpperCase() });
  return format.format(amount / 10 ** decimals(currency));
}

/** Parses a typed amount into minor units: `24.99` in `eur` is 2499. Returns null if the amount is invalid. */
export function parseAmount(text: string, currency: string): number | null {
  const [, whole, fraction = ''] = /^(\d{1,10})(?:[.,](\d+))?$/.exec(text.trim()) ?? [];
  const places = decimals(currency);
  // Concatenate the digits instead of multiplying, which would round.
  return whole === undefined || fraction.length > places ? null : Number(whole + fraction.padEnd(places, '0'));
}

let decimalsByCurrency = new Map<string, number>();

/** Stores the API's decimals per currency. Stripe's decimals can differ from the browser's. */
export function setCurrencyRules(currencies: { currency: string; decimals: number }[]): void {
  decimalsByCurrency = new Map(currencies.map(({ currency, decimals }) => [currency, decimals]));
}

function decimals(currency: string): number {
  return decimalsByCurrency.get(currency) ?? 2;
}
