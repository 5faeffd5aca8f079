// A seller's readiness: the API's fields with labels and explanations.

import type { Seller } from './api';
import { el } from './dom';

const NEXT_ACTIONS: Record<Seller['next_action'], string> = {
  none: 'No action needed. This seller can sell.',
  connect: 'Connect the account. The seller can’t sell until then.',
  connect_another_account: 'Connect another account. This account can’t be used here.',
  complete_onboarding: 'Complete the onboarding on Stripe.',
  provide_information: 'Provide the information that Stripe requires.',
  await_verification: 'Wait until Stripe has verified the information.',
  set_display_name: 'Set the account’s business name in Stripe’s Dashboard. Customers see this name.',
  contact_platform: 'Contact the platform, which has paused this account.',
  check_dashboard: 'Check Stripe’s Dashboard to find the problem.',
};

const BLOCKERS: Record<Seller['blockers'][number], string> = {
  not_connected: 'The account isn’t connected.',
  unlinking: 'The platform is disconnecting this seller.',
  not_checked: 'The account hasn’t been read from Stripe yet.',
  details_not_submitted: 'The onboarding isn’t complete.',
  charges_not_enabled: 'The account can’t accept payments.',
  payouts_not_enabled: 'The account can’t receive payouts.',
  transfers_not_active: 'The account can’t receive transfers, which destination charges require.',
  no_display_name: 'The account has no business name to show to customers.',
  country_not_supported: 'This platform doesn’t support the account’s country.',
  currency_not_supported: 'This platform doesn’t support the account’s currency.',
};

const timeOf = (text: string) => el('time', { datetime: text },
  new Date(text).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' }));

/** Returns the seller's next step, with its deadline if there is one. */
export function nextStep({ account_id, next_action, requirements }: Seller): (Node | string)[] {
  if (account_id === null) return ['Wait until Stripe has created the account.'];
  const text = NEXT_ACTIONS[next_action];
  const deadline = next_action === 'provide_information' ? requirements.current_deadline : null;
  return deadline === null ? [text] : [text, ' Deadline: ', timeOf(deadline), '. Stripe restricts the account after that.'];
}

export function badge({ ready, connected }: Seller): HTMLElement {
  if (ready) return el('span', { class: 'badge good' }, 'Ready');
  return el('span', { class: connected ? 'badge bad' : 'badge' }, connected ? 'Not ready' : 'Not connected');
}

const NONE = () => el('span', { class: 'quiet' }, 'none');
const text = (value: string | null) => value ?? NONE();
const code = (value: string | null) => (value === null ? NONE() : el('code', {}, value));
const flag = (value: boolean) => el('span', { class: value ? 'flag yes' : 'flag no' }, value ? 'Yes' : 'No');
const time = (value: string | null) => (value === null ? NONE() : timeOf(value));
const list = (items: (Node | string)[]) => (items.length ? el('ul', {}, ...items.map((item) => el('li', {}, item))) : NONE());
const codes = (items: string[]) => list(items.map((item) => el('code', {}, item)));

/** An API field: its name, label, and value. */
type Row = [name: string, label: string, value: Node | string];

function groups(seller: Seller): [string, Row[]][] {
  const { requirements } = seller;
  return [
    ['Status', [
      ['ready', 'Ready to sell', flag(seller.ready)],
      ['blockers', 'Blockers', list(seller.blockers.map((blocker) => BLOCKERS[blocker]))],
      ['next_action', 'Next action', el('span', {}, ...nextStep(seller))],
      ['connected', 'Connected', flag(seller.connected)],
      ['details_submitted', 'Onboarding submitted', flag(seller.details_submitted)],
      ['charges_enabled', 'Can accept payments', flag(seller.charges_enabled)],
      ['payouts_enabled', 'Can receive payouts', flag(seller.payouts_enabled)],
      ['can_unlink', 'Can be disconnected without force', seller.can_unlink ? 'Yes' : 'No'],
      ['checked_at', 'Last read from Stripe', time(seller.checked_at)],
    ]],
    ['Account', [
      ['account_id', 'Stripe account', code(seller.account_id)],
      ['origin', 'Origin', seller.origin === 'oauth' ? 'Connected by its owner' : 'Created by the platform'],
      ['display_name', 'Name shown to customers', text(seller.display_name)],
      ['country', 'Country', text(seller.country)],
      ['currency', 'Currency', text(seller.currency?.toUpperCase() ?? null)],
    ]],
    ['Requirements', [
      ['currently_due', 'Currently due', codes(requirements.currently_due)],
      ['current_deadline', 'Deadline', time(requirements.current_deadline)],
      ['past_due', 'Past due', codes(requirements.past_due)],
      ['pending_verification', 'Pending verification', codes(requirements.pending_verification)],
      ['eventually_due', 'Eventually due', codes(requirements.eventually_due)],
      ['disabled_reason', 'Restriction', code(requirements.disabled_reason)],
    ]],
    ['Terms', [
      ['charge_type', 'Customers are charged on', seller.charge_type === 'direct' ? 'The seller’s account (direct)' : 'The platform’s account (destination)'],
      ['fee_basis_points', 'Fee in basis points', String(seller.fee_basis_points)],
      ['fee_fixed', 'Fixed fee in minor units', String(seller.fee_fixed)],
      ['fee_minimum', 'Minimum fee in minor units', String(seller.fee_minimum)],
    ]],
  ];
}

export function readinessTable(seller: Seller): HTMLElement {
  const row = ([name, label, value]: Row) => el('tr', {},
    el('th', { scope: 'row' }, label, el('code', {}, name)), el('td', {}, value));
  return el('table', { class: 'facts' },
    el('caption', { class: 'visually-hidden' }, 'Readiness of this seller'),
    ...groups(seller).map(([title, rows]) => el('tbody', {},
      el('tr', {}, el('th', { colspan: 2, scope: 'rowgroup' }, title)), ...rows.map(row))));
}
