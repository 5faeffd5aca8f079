// The page of one seller: readiness, terms, products, and disconnecting.

import { api, Problem, type Platform, type Product, type Seller } from './api';
import { announce, el } from './dom';
import { actionForm, idempotent, labeledControl, redirectTo } from './form';
import { formatAmount, parseAmount } from './money';
import { badge, nextStep, readinessTable } from './readiness';

export interface PageContext {
  platform: Platform;
  currencies: string[];
  /** Returns a form that redirects to Stripe's page, where the owner grants access to an account. */
  connectForm: () => HTMLElement;
}

/** Returns the URL of this page, for redirects from Stripe. */
export const pageUrl = () => new URL(window.location.pathname, document.baseURI).href;

/** Redirects a seller to Stripe's onboarding page. */
export async function redirectToOnboarding(platform: Platform, id: string): Promise<never> {
  const returnTo = (from: string) => `${pageUrl()}?${new URLSearchParams({ from, seller: id })}`;
  const { url } = await platform.accountLink(id, { return_url: returnTo('return'), refresh_url: returnTo('refresh') });
  return redirectTo(url);
}

export const sellerName = ({ display_name }: Seller) => display_name ?? 'Unnamed seller';

const numberInput = (id: string, value: number, max?: number) =>
  el('input', { id, type: 'number', inputmode: 'numeric', min: 0, max, step: 1, required: true, value });

/** Renders a notice, unless the text is empty. */
export const renderNotice = (text: string) => (text ? [el('p', { class: 'notice', role: 'alert' }, text)] : []);

class SellerPage {
  readonly #head = el('div', { class: 'admin-head' });
  readonly #nextStep = el('div', { class: 'next-step' });
  readonly #table = el('div');
  readonly #disconnect = el('section', { class: 'panel' });
  readonly #products = el('ul', { class: 'product-list' });

  constructor(readonly main: HTMLElement, readonly context: PageContext, public seller: Seller) {}

  render(products: Product[], notice: string): void {
    this.main.className = 'admin';
    this.main.replaceChildren(
      this.#head, ...renderNotice(notice), this.#nextStep,
      el('div', { class: 'admin-main' },
        el('div', { class: 'section-head' }, el('h2', {}, 'Readiness'), this.#refreshForm()), this.#table),
      el('div', { class: 'admin-side' }, this.#termsPanel(), this.#productsPanel(), this.#disconnect));
    for (const product of products) this.#showProduct(product);
    this.#show(this.seller);
  }

  /** Shows the seller's current state. Doesn't touch the forms, which the user may be filling in. */
  #show(seller: Seller): void {
    this.seller = seller;
    document.title = `${sellerName(seller)} · Sellers · Slow Pour`;
    this.#head.replaceChildren(
      el('a', { href: '#/', class: 'back' }, '← All sellers'),
      el('h1', {}, sellerName(seller), ' ', badge(seller)));
    this.#nextStep.className = seller.ready ? 'next-step good' : 'next-step';
    this.#nextStep.replaceChildren(el('p', {}, ...nextStep(seller)), ...this.#nextStepForms());
    this.#table.replaceChildren(readinessTable(seller));
    this.#showDisconnect();
  }

  /** Returns forms for the next step. Owners of their own accounts use Stripe's Dashboard for the rest. */
  #nextStepForms(): HTMLElement[] {
    const { next_action, origin, id } = this.seller;
    const isNext = (...actions: Seller['next_action'][]) => actions.includes(next_action);
    if (origin === 'oauth') return isNext('connect', 'connect_another_account') ? [this.context.connectForm()] : [];
    return isNext('complete_onboarding', 'provide_information') ? [actionForm({ label: ['Continue on Stripe'], run: () => redirectToOnboarding(this.context.platform, id) })] : [];
  }

  #refreshForm(): HTMLElement {
    return actionForm({
      label: ['Refresh from Stripe'],
      className: 'button plain',
      run: async () => {
        this.#show(await this.context.platform.refreshSeller(this.seller.id));
        return 'The seller is up to date.';
      },
    });
  }

  #termsPanel(): HTMLElement {
    const { charge_type, fee_basis_points, fee_fixed, fee_minimum } = this.seller;
    const type = el('select', { id: 'charge_type' },
      el('option', { value: 'direct', selected: charge_type === 'direct' }, 'The seller’s account (direct)'),
      el('option', { value: 'destination', selected: charge_type === 'destination' }, 'The platform’s account (destination)'));
    const points = numberInput('fee_basis_points', fee_basis_points, 10_000);
    const fixed = numberInput('fee_fixed', fee_fixed);
    const minimum = numberInput('fee_minimum', fee_minimum);
    return el('section', { class: 'panel' },
      el('h2', {}, 'Terms'),
      el('p', { class: 'quiet' }, 'Changes apply to new orders. Existing orders keep their terms.'),
      actionForm({
        label: ['Save terms'],
        fields: [
          labeledControl('Charge customers on', type),
          labeledControl('Fee in basis points', points, '250 basis points = 2.5%'),
          labeledControl('Fixed fee in minor units', fixed, `30 minor units = ${formatAmount(30, this.seller.currency ?? 'eur')}`),
          labeledControl('Minimum fee in minor units', minimum),
        ],
        run: async () => {
          this.#show(await this.context.platform.updateSeller(this.seller.id, {
            charge_type: type.value === 'destination' ? 'destination' : 'direct',
            fee_basis_points: points.valueAsNumber,
            fee_fixed: fixed.valueAsNumber,
            fee_minimum: minimum.valueAsNumber,
          }));
          return 'Terms saved.';
        },
      }));
  }

  #showProduct({ name, unit_amount, currency }: Product): void {
    this.#products.prepend(el('li', {}, el('span', {}, name), el('span', { class: 'price' }, formatAmount(unit_amount, currency))));
  }

  #productsPanel(): HTMLElement {
    const sellerCurrency = this.seller.currency ?? 'eur';
    const name = el('input', { id: 'product_name', required: true, maxlength: 250, autocomplete: 'off' });
    const price = el('input', { id: 'product_price', required: true, inputmode: 'decimal', autocomplete: 'off', placeholder: '24.99' });
    const currency = el('select', { id: 'product_currency' },
      ...this.context.currencies.map((code) => el('option', { value: code, selected: code === sellerCurrency }, code.toUpperCase())));
    const validate = () => price.setCustomValidity(
      price.value && parseAmount(price.value, currency.value) === null ? 'Please enter a valid amount in this currency, like 24.99.' : '');
    price.addEventListener('input', validate);
    currency.addEventListener('change', validate);
    const create = idempotent((key) => this.context.platform.createProduct({
      name: name.value,
      unit_amount: parseAmount(price.value, currency.value) ?? 0,
      currency: currency.value,
      active: true,
      seller_id: this.seller.id,
      // The shop shows this name to customers, because they can't read sellers.
      metadata: { sold_by: sellerName(this.seller) },
    }, key));
    const form = actionForm({
      label: ['Add product'],
      fields: [labeledControl('Name', name), labeledControl('Price', price), labeledControl('Currency', currency)],
      run: async () => {
        this.#showProduct(await create());
        form.reset();
        return 'The product is now in the shop.';
      },
    });
    return el('section', { class: 'panel' }, el('h2', {}, 'Products'), this.#products, form);
  }

  #showDisconnect(): void {
    const { seller } = this;
    if (!seller.connected) {
      this.#disconnect.replaceChildren(
        el('h2', {}, 'Disconnected'),
        el('p', { class: 'quiet' }, 'The platform no longer uses this account. Past orders stay on record.'));
      return;
    }
    const force = el('input', { id: 'force', type: 'checkbox', required: !seller.can_unlink });
    const forceField = el('p', { class: 'checkbox', hidden: seller.can_unlink }, force,
      el('label', { for: 'force' }, 'Disconnect anyway: this seller can accept payments, or has payments in progress'));
    this.#disconnect.replaceChildren(
      el('h2', {}, 'Disconnect'),
      el('p', { class: 'quiet' }, 'The platform cancels this seller’s open orders, and then stops using the account.'),
      actionForm({
        label: ['Disconnect…'],
        className: 'button plain danger',
        fields: [forceField],
        run: async () => {
          if (!await confirmDisconnect(seller)) return;
          this.#show(await this.context.platform.unlinkSeller(seller.id, force.checked));
          return 'The seller is disconnected.';
        },
        // The seller may have become ready since this page was rendered.
        onError: (error) => {
          if (error instanceof Problem && ['seller_in_use', 'seller_has_open_payments'].includes(error.code)) forceField.hidden = false;
        },
      }));
  }
}

/** Asks for confirmation in a dialog. */
function confirmDisconnect(seller: Seller): Promise<boolean> {
  const dialog = el('dialog', { class: 'confirm', 'aria-labelledby': 'confirm-title' },
    el('form', { method: 'dialog' },
      el('h2', { id: 'confirm-title' }, `Disconnect ${sellerName(seller)}?`),
      el('p', {}, 'This seller can’t sell until the owner connects the account again.'),
      el('p', { class: 'actions' },
        el('button', { class: 'button plain', value: 'cancel' }, 'Cancel'),
        el('button', { class: 'button danger', value: 'disconnect' }, 'Disconnect'))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'disconnect');
    });
  });
}

/** Shows one seller in `main`. */
export async function openSeller(main: HTMLElement, context: PageContext, id: string, isWanted: () => boolean, notice: string): Promise<void> {
  const [seller, products] = await Promise.all([context.platform.seller(id), api.products()]);
  if (!isWanted()) return;
  new SellerPage(main, context, seller).render(products.data.filter(({ seller_id }) => seller_id === id).reverse(), notice);
  announce(`${sellerName(seller)}: ${seller.ready ? 'ready' : 'not ready'}.`);
}
