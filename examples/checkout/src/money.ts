/** An amount in Stripe's minor unit as a customer reads it: `2499` and `eur` are €24.99. */
export function money(amount: number, currency: string): string {
  const format = new Intl.NumberFormat(undefined, { style: 'currency', currency: currency.toUpperCase() });
  return format.format(amount / 10 ** decimals(currency));
}

/** What somebody typed as an amount, in Stripe's minor unit: `24.99` in `eur` is 2499. Null if it is none. */
export function minorOf(text: string, currency: string): number | null {
  const [, whole, fraction = ''] = /^(\d{1,10})(?:[.,](\d+))?$/.exec(text.trim()) ?? [];
  const places = decimals(currency);
  // No arithmetic with fractions: the digits are put where they belong.
  return whole === undefined || fraction.length > places ? null : Number(whole + fraction.padEnd(places, '0'));
}

let rules = new Map<string, number>();

/** Stripe's rules are not always those of the browser: the API tells them. */
export function learnCurrencies(currencies: { currency: string; decimals: number }[]): void {
  rules = new Map(currencies.map(({ currency, decimals }) => [currency, decimals]));
}

function decimals(currency: string): number {
  return rules.get(currency) ?? 2;
}
