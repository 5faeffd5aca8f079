// Types for the used part of Stripe.js, and its loader. The API provides the script URL: Stripe's or the sandbox's.

export interface StripeError {
  type: string;
  code?: string;
  message?: string;
  payment_intent?: { status: string };
}

export interface BillingDetails {
  name: string;
  email: string;
  phone: string;
  address: Record<'line1' | 'line2' | 'city' | 'state' | 'postal_code' | 'country', string>;
}

export interface PaymentElement {
  mount(node: Element): void;
  destroy(): void;
  on(event: 'ready', handler: () => void): void;
  on(event: 'loaderror', handler: (event: { error: StripeError }) => void): void;
}

export interface Elements {
  create(type: 'payment', options: Record<string, unknown>): PaymentElement;
  submit(): Promise<{ error?: StripeError }>;
  update(options: Record<string, unknown>): void;
}

export interface Stripe {
  elements(options: Record<string, unknown>): Elements;
  confirmPayment(options: {
    elements: Elements;
    confirmParams: { return_url: string; payment_method_data: { billing_details: BillingDetails } };
  }): Promise<{ error?: StripeError }>;
}

declare global {
  interface Window {
    Stripe?: (key: string, options?: Record<string, unknown>) => Stripe;
  }
}

let loading: Promise<void> | null = null;

/** Loads Stripe.js once. After a failure, the next call loads it again. */
function load(url: string): Promise<void> {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = url;
    script.onload = () => resolve();
    script.onerror = () => {
      loading = null;
      script.remove();
      reject(new Error('The payment form didn’t load. Please check your connection and try again.'));
    };
    document.head.append(script);
  });
  return loading;
}

/** Loads Stripe.js. Returns a function that creates a `Stripe` object for the platform or a seller's account. */
export async function loadStripe(url: string, publishableKey: string): Promise<(account: string | null) => Stripe> {
  await load(url);
  const create = window.Stripe;
  if (!create) throw new Error('The payment form didn’t load.');
  return (account) => create(publishableKey, account === null ? {} : { stripeAccount: account });
}

/** Returns this page's colors and shapes for Stripe's payment form. */
export function appearance(): Record<string, unknown> {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string) => style.getPropertyValue(name).trim();
  const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
  return {
    theme: isDark ? 'night' : 'stripe',
    variables: {
      colorPrimary: value('--accent'),
      colorBackground: value('--field'),
      colorText: value('--ink'),
      colorTextSecondary: value('--quiet'),
      colorTextPlaceholder: value('--faint'),
      colorDanger: value('--danger'),
      borderRadius: value('--radius'),
      fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
      fontSizeBase: '16px',
    },
    rules: {
      '.Input': { border: `1px solid ${value('--line')}`, boxShadow: 'none' },
      '.Input:focus': { border: `1px solid ${value('--accent')}`, boxShadow: `0 0 0 3px ${value('--halo')}` },
      '.Input--invalid': { border: `1px solid ${value('--danger')}`, boxShadow: 'none' },
      '.Tab': { border: `1px solid ${value('--line')}`, boxShadow: 'none' },
      '.Tab--selected': { border: `1px solid ${value('--accent')}`, boxShadow: `0 0 0 1px ${value('--accent')}` },
      '.Label': { fontWeight: '500' },
    },
  };
}
