// Whether a seller can be charged through, as a person reads it: every field that the API tells, by its name.

import type { Seller } from './api';
import { el } from './dom';

/** What the platform tells the seller to do now. */
const NEXT_ACTIONS: Record<Seller['next_action'], string> = {
  none: 'Nothing to do: this seller can sell.',
  connect: 'Connect the account. Until then nothing can be sold through it.',
  connect_another_account: 'Connect another account: this one will never do here.',
  complete_onboarding: 'Finish what Stripe asks for at first.',
  provide_information: 'Tell Stripe what it asks for now.',
  await_verification: 'Wait: Stripe is looking at what was given.',
  set_display_name: 'Give the account a name in Stripe’s Dashboard: customers are shown it.',
  contact_platform: 'Ask the platform: it has paused this account.',
  check_dashboard: 'Look into Stripe’s Dashboard: it says what is wrong.',
};

const BLOCKERS: Record<Seller['blockers'][number], string> = {
  not_connected: 'The account is not connected.',
  unlinking: 'The platform is letting the seller go.',
  not_checked: 'Stripe was not asked about the account yet.',
  details_not_submitted: 'What Stripe asks for at first is not submitted.',
  charges_not_enabled: 'The account can not take payments.',
  payouts_not_enabled: 'Stripe does not pay out to its bank.',
  transfers_not_active: 'No money can be transferred to it, which destination charges need.',
  no_display_name: 'It has no name to show to customers.',
  country_not_supported: 'Sellers of its country are not taken here.',
  currency_not_supported: 'Sellers with its currency are not taken here.',
};

const timeOf = (text: string) => el('time', { datetime: text },
  new Date(text).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' }));

/** What this seller should do now, with the deadline there may be. */
export function nextStep({ account_id, next_action, requirements }: Seller): (Node | string)[] {
  if (account_id === null) return ['Wait: Stripe is making the account.'];
  const text = NEXT_ACTIONS[next_action];
  const deadline = next_action === 'provide_information' ? requirements.current_deadline : null;
  return deadline === null ? [text] : [text, ' By ', timeOf(deadline), ', or the account is restricted.'];
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

/** A field of the API: its name, what it means, and its value. */
type Row = [name: string, label: string, value: Node | string];

function groups(seller: Seller): [string, Row[]][] {
  const { requirements } = seller;
  return [
    ['Can it sell?', [
      ['ready', 'Ready to be charged through', flag(seller.ready)],
      ['blockers', 'What stands in the way', list(seller.blockers.map((blocker) => BLOCKERS[blocker]))],
      ['next_action', 'What the seller should do now', el('span', {}, ...nextStep(seller))],
      ['connected', 'The platform may use the account', flag(seller.connected)],
      ['details_submitted', 'First details submitted', flag(seller.details_submitted)],
      ['charges_enabled', 'Can take payments', flag(seller.charges_enabled)],
      ['payouts_enabled', 'Is paid out by Stripe', flag(seller.payouts_enabled)],
      ['can_unlink', 'Can be disconnected without force', seller.can_unlink ? 'Yes' : 'No'],
      ['checked_at', 'Stripe was last asked', time(seller.checked_at)],
    ]],
    ['The account', [
      ['account_id', 'Account at Stripe', code(seller.account_id)],
      ['origin', 'How it came', seller.origin === 'oauth' ? 'Its owner connected it' : 'The platform made it'],
      ['display_name', 'Name that customers see', text(seller.display_name)],
      ['country', 'Country', text(seller.country)],
      ['currency', 'Currency', text(seller.currency?.toUpperCase() ?? null)],
    ]],
    ['What Stripe asks for', [
      ['currently_due', 'Due now', codes(requirements.currently_due)],
      ['current_deadline', 'Due by', time(requirements.current_deadline)],
      ['past_due', 'Overdue', codes(requirements.past_due)],
      ['pending_verification', 'Being verified', codes(requirements.pending_verification)],
      ['eventually_due', 'Due later', codes(requirements.eventually_due)],
      ['disabled_reason', 'Why it is restricted', code(requirements.disabled_reason)],
    ]],
    ['Terms', [
      ['charge_type', 'Whose account is charged', seller.charge_type === 'direct' ? 'The seller’s (direct)' : 'The platform’s (destination)'],
      ['fee_basis_points', 'Fee, in hundredths of a per cent', String(seller.fee_basis_points)],
      ['fee_fixed', 'Fee on top, in minor units', String(seller.fee_fixed)],
      ['fee_minimum', 'Least fee, in minor units', String(seller.fee_minimum)],
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
