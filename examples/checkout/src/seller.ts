// One seller: whether it can sell, on which terms, what it sells, and how it is let go.

import { api, Problem, type Platform, type Product, type Seller } from './api';
import { announce, el } from './dom';
import { labelled, leaveFor, once, taskForm } from './form';
import { money, minorOf } from './money';
import { badge, nextStep, readinessTable } from './readiness';

export interface Office {
  platform: Platform;
  currencies: string[];
  /** Sends the owner of an account to Stripe, to let the platform in. */
  connectForm: () => HTMLElement;
}

/** The address of this page, to which Stripe leads back. */
export const pageUrl = () => new URL(window.location.pathname, document.baseURI).href;

/** Sends a seller to the page of Stripe's on which it tells what Stripe wants to know. */
export async function onboard(platform: Platform, id: string): Promise<never> {
  const back = (from: string) => `${pageUrl()}?${new URLSearchParams({ from, seller: id })}`;
  const { url } = await platform.accountLink(id, { return_url: back('return'), refresh_url: back('refresh') });
  return leaveFor(url);
}

export const nameOf = ({ display_name }: Seller) => display_name ?? 'A seller without a name';

const number = (id: string, value: number, max?: number) =>
  el('input', { id, type: 'number', inputmode: 'numeric', min: 0, max, step: 1, required: true, value });

/** What there is to say of what has just been done. */
export const noticeOf = (text: string) => (text ? [el('p', { class: 'notice', role: 'alert' }, text)] : []);

class SellerPage {
  readonly #head = el('div', { class: 'office-head' });
  readonly #step = el('div', { class: 'next-step' });
  readonly #table = el('div');
  readonly #leave = el('section', { class: 'panel' });
  readonly #goods = el('ul', { class: 'goods' });

  constructor(readonly main: HTMLElement, readonly office: Office, public seller: Seller) {}

  render(products: Product[], notice: string): void {
    this.main.className = 'office';
    this.main.replaceChildren(
      this.#head, ...noticeOf(notice), this.#step,
      el('div', { class: 'office-main' },
        el('div', { class: 'section-head' }, el('h2', {}, 'Readiness'), this.#refreshForm()), this.#table),
      el('div', { class: 'office-side' }, this.#termsPanel(), this.#goodsPanel(), this.#leave));
    for (const product of products) this.#showProduct(product);
    this.#show(this.seller);
  }

  /** Shows how the seller stands. Forms that are being filled in stay as they are. */
  #show(seller: Seller): void {
    this.seller = seller;
    document.title = `${nameOf(seller)} · Sellers · Slow Pour`;
    this.#head.replaceChildren(
      el('a', { href: '#/', class: 'back' }, '← All sellers'),
      el('h1', {}, nameOf(seller), ' ', badge(seller)));
    this.#step.className = seller.ready ? 'next-step good' : 'next-step';
    this.#step.replaceChildren(el('p', {}, ...nextStep(seller)), ...this.#stepForms());
    this.#table.replaceChildren(readinessTable(seller));
    this.#showLeave();
  }

  /** What can be done about it from here. The owner of an account of their own goes to Stripe's Dashboard. */
  #stepForms(): HTMLElement[] {
    const { next_action, origin, id } = this.seller;
    const does = (...actions: Seller['next_action'][]) => actions.includes(next_action);
    if (origin === 'oauth') return does('connect', 'connect_another_account') ? [this.office.connectForm()] : [];
    return does('complete_onboarding', 'provide_information') ? [taskForm({ label: ['Continue at Stripe'], work: () => onboard(this.office.platform, id) })] : [];
  }

  #refreshForm(): HTMLElement {
    return taskForm({
      label: ['Ask Stripe now'],
      look: 'button plain',
      work: async () => {
        this.#show(await this.office.platform.refreshSeller(this.seller.id));
        return 'This is how the account stands now.';
      },
    });
  }

  #termsPanel(): HTMLElement {
    const { charge_type, fee_basis_points, fee_fixed, fee_minimum } = this.seller;
    const type = el('select', { id: 'charge_type' },
      el('option', { value: 'direct', selected: charge_type === 'direct' }, 'The seller’s (direct)'),
      el('option', { value: 'destination', selected: charge_type === 'destination' }, 'The platform’s (destination)'));
    const points = number('fee_basis_points', fee_basis_points, 10_000);
    const fixed = number('fee_fixed', fee_fixed);
    const minimum = number('fee_minimum', fee_minimum);
    return el('section', { class: 'panel' },
      el('h2', {}, 'Terms'),
      el('p', { class: 'quiet' }, 'They hold for new orders. An order keeps those that it was priced with.'),
      taskForm({
        label: ['Save terms'],
        fields: [
          labelled('Charge customers on this account', type),
          labelled('Fee, in hundredths of a per cent', points, '250 is 2.5 %.'),
          labelled('Fee on top, in minor units', fixed, `30 is ${money(30, this.seller.currency ?? 'eur')}.`),
          labelled('Least fee, in minor units', minimum),
        ],
        work: async () => {
          this.#show(await this.office.platform.updateSeller(this.seller.id, {
            charge_type: type.value === 'destination' ? 'destination' : 'direct',
            fee_basis_points: points.valueAsNumber,
            fee_fixed: fixed.valueAsNumber,
            fee_minimum: minimum.valueAsNumber,
          }));
          return 'The terms are saved.';
        },
      }));
  }

  #showProduct({ name, unit_amount, currency }: Product): void {
    this.#goods.prepend(el('li', {}, el('span', {}, name), el('span', { class: 'price' }, money(unit_amount, currency))));
  }

  #goodsPanel(): HTMLElement {
    const own = this.seller.currency ?? 'eur';
    const name = el('input', { id: 'product_name', required: true, maxlength: 250, autocomplete: 'off' });
    const price = el('input', { id: 'product_price', required: true, inputmode: 'decimal', autocomplete: 'off', placeholder: '24.99' });
    const currency = el('select', { id: 'product_currency' },
      ...this.office.currencies.map((code) => el('option', { value: code, selected: code === own }, code.toUpperCase())));
    const check = () => price.setCustomValidity(
      price.value && minorOf(price.value, currency.value) === null ? 'Please enter an amount of this currency, like 24.99.' : '');
    price.addEventListener('input', check);
    currency.addEventListener('change', check);
    const create = once((key) => this.office.platform.createProduct({
      name: name.value,
      unit_amount: minorOf(price.value, currency.value) ?? 0,
      currency: currency.value,
      active: true,
      seller_id: this.seller.id,
      // The shop shows it to customers, who do not see sellers.
      metadata: { sold_by: nameOf(this.seller) },
    }, key));
    const form = taskForm({
      label: ['Put it on sale'],
      fields: [labelled('Name', name), labelled('Price', price), labelled('Currency', currency)],
      work: async () => {
        this.#showProduct(await create());
        form.reset();
        return 'It is in the shop now.';
      },
    });
    return el('section', { class: 'panel' }, el('h2', {}, 'Put something on sale'), this.#goods, form);
  }

  #showLeave(): void {
    const { seller } = this;
    if (!seller.connected) {
      this.#leave.replaceChildren(
        el('h2', {}, 'Disconnected'),
        el('p', { class: 'quiet' }, 'The platform does not use this account. What it sold stays on record.'));
      return;
    }
    const force = el('input', { id: 'force', type: 'checkbox', required: !seller.can_unlink });
    const forced = el('p', { class: 'tick', hidden: seller.can_unlink }, force,
      el('label', { for: 'force' }, 'By force: the account works, or money is on its way through it'));
    this.#leave.replaceChildren(
      el('h2', {}, 'Disconnect'),
      el('p', { class: 'quiet' }, 'The platform stops using the account. Open orders of this seller are closed first.'),
      taskForm({
        label: ['Disconnect…'],
        look: 'button plain danger',
        fields: [forced],
        work: async () => {
          if (!await confirmed(seller)) return;
          this.#show(await this.office.platform.unlinkSeller(seller.id, force.checked));
          return 'The seller is disconnected.';
        },
        // What was ready a moment ago may need force now.
        failed: (error) => {
          if (error instanceof Problem && ['seller_in_use', 'seller_has_open_payments'].includes(error.code)) forced.hidden = false;
        },
      }));
  }
}

/** Asks once more. */
function confirmed(seller: Seller): Promise<boolean> {
  const dialog = el('dialog', { class: 'confirm', 'aria-labelledby': 'confirm-title' },
    el('form', { method: 'dialog' },
      el('h2', { id: 'confirm-title' }, `Disconnect ${nameOf(seller)}?`),
      el('p', {}, 'Nothing more is sold through this account until its owner connects it again.'),
      el('p', { class: 'actions' },
        el('button', { class: 'button plain', value: 'keep' }, 'Keep it'),
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
export async function openSeller(main: HTMLElement, office: Office, id: string, isWanted: () => boolean, notice: string): Promise<void> {
  const [seller, products] = await Promise.all([office.platform.seller(id), api.products()]);
  if (!isWanted()) return;
  new SellerPage(main, office, seller).render(products.data.filter(({ seller_id }) => seller_id === id).reverse(), notice);
  announce(`${nameOf(seller)}: ${seller.ready ? 'ready' : 'not ready'}.`);
}
