// The platform's sellers: who they are, whether they can sell, and the two ways in which one comes.
//
// These routes of the API need the secret key. A real platform calls them from its own server, and its sellers see
// pages of that server. Here the key is typed in and stays in this tab, so that the whole way can be tried out.

import './style.css';
import { api, platform, Problem, type Platform, type Seller } from './api';
import { countryNames } from './countries';
import { el, need, showMessage, showMode } from './dom';
import { labelled, leaveFor, once, reasonOf, taskForm } from './form';
import { randomKey } from './memory';
import { learnCurrencies } from './money';
import { badge } from './readiness';
import { nameOf, noticeOf, onboard, openSeller, pageUrl, type Office } from './seller';

const KEY = 'slow-pour:platform-key';
const BINDING = 'slow-pour:platform-binding';

const main = need<HTMLElement>('#main');
const forget = need<HTMLButtonElement>('.forget');

/** Who is at this tab. A platform takes the id of the session that its server knows the seller by. */
function binding(): string {
  const known = sessionStorage.getItem(BINDING) ?? randomKey();
  sessionStorage.setItem(BINDING, known);
  return known;
}

type Config = Awaited<ReturnType<typeof api.config>>;

/** What somebody came back from Stripe with. */
interface Arrival {
  code: string | null;
  state: string | null;
  error: string | null;
  from: string | null;
  seller: string | null;
}

/** Takes from the address what Stripe has put there, so that neither the history nor a reload has it. */
function takeArrival(): Arrival {
  const { searchParams, pathname, hash } = new URL(window.location.href);
  window.history.replaceState(null, '', pathname + hash);
  const param = (name: string) => searchParams.get(name);
  return { code: param('code'), state: param('state'), error: param('error'), from: param('from'), seller: param('seller') };
}

/** What is said of a way back from Stripe that leads nowhere. */
const REFUSED: Record<string, string> = {
  oauth_state_unknown: 'This address belongs to nothing that was begun here.',
  oauth_state_used: 'This address was used before. If you want to connect an account, please begin again.',
  oauth_state_expired: 'That took too long. Please begin again.',
  oauth_binding_mismatch: 'This was begun by somebody else, or in another window.',
  oauth_code_invalid: 'Stripe does not take this confirmation any more. Please begin again.',
  seller_mode_mismatch: 'This account was connected in another of Stripe’s modes, test or live, than this shop runs in.',
};

/** Deals with what somebody came back with. Answers what there is to say of it. */
async function welcome(office: Platform, { code, state, error, from, seller }: Arrival): Promise<string> {
  if (error === 'access_denied') return 'You did not connect your account, and nothing was changed. You can do it whenever you like.';
  if (error !== null) return 'Stripe could not connect the account. Nothing was changed. Please try again.';
  if (code !== null || state !== null) {
    try {
      const { id } = await office.finishOAuth({ code: code ?? '', state: state ?? '', binding: binding() });
      show(`#/${id}`);
      return '';
    } catch (problem) {
      const isKnown = problem instanceof Problem && REFUSED[problem.code];
      return `${isKnown || reasonOf(problem)} Nothing was connected.`;
    }
  }
  if (seller === null) return '';
  // Stripe leads here from a link that was used before or is too old: the seller gets another.
  if (from === 'refresh') return onboard(office, seller);
  // To have come back says nothing: who has left in the middle comes back, too.
  await office.refreshSeller(seller);
  show(`#/${seller}`);
  return '';
}

/** Has the address say what is shown. */
const show = (hash: string) => window.history.replaceState(null, '', hash);

function connectForm(office: Platform): HTMLElement {
  return taskForm({
    label: ['Connect with ', el('strong', {}, 'Stripe')],
    look: 'stripe-connect',
    work: async () => leaveFor((await office.beginOAuth(binding(), pageUrl())).url),
  });
}

function createForm(office: Platform): HTMLElement {
  const email = el('input', { id: 'email', type: 'email', autocomplete: 'off' });
  const country = el('select', { id: 'country' }, el('option', { value: '' }, 'That of the platform'),
    ...countryNames().map(([code, name]) => el('option', { value: code }, name)));
  const create = once((key) => office.createSeller({
    type: 'express', email: email.value.trim() || null, country: country.value || null,
  }, key));
  return taskForm({
    label: ['Create an account'],
    fields: [labelled('Their email, if you know it', email), labelled('Their country', country, 'It can not be changed later.')],
    work: async () => {
      const { id } = await create();
      // There the seller is found, by the browser's back button too.
      show(`#/${id}`);
      return onboard(office, id).catch((error: unknown) => route(reasonOf(error)));
    },
  });
}

function sellerRow(seller: Seller): HTMLElement {
  return el('li', {}, el('a', { href: `#/${seller.id}` },
    el('span', { class: 'seller-name' }, nameOf(seller)),
    el('code', {}, seller.account_id ?? 'no account yet'),
    badge(seller)));
}

function showSellers(office: Office, sellers: Seller[], notice: string): void {
  document.title = 'Sellers · Slow Pour';
  main.className = 'office';
  main.replaceChildren(
    el('div', { class: 'office-head' },
      el('h1', {}, 'Sellers'),
      el('p', { class: 'lead' }, 'They sell in this shop with Stripe accounts of their own, and the platform takes its fee.')),
    ...noticeOf(notice),
    el('section', { class: 'office-main', 'aria-labelledby': 'sellers-title' },
      el('h2', { id: 'sellers-title' }, 'Who sells here'),
      sellers.length
        ? el('ul', { class: 'sellers' }, ...sellers.map(sellerRow))
        : el('p', { class: 'quiet' }, 'Nobody yet. Bring in the first one.')),
    el('div', { class: 'office-side' },
      el('section', { class: 'panel' },
        el('h2', {}, 'With an account of their own'),
        el('p', { class: 'quiet' }, 'They log in at Stripe and let the platform in.'),
        office.connectForm()),
      el('section', { class: 'panel' },
        el('h2', {}, 'Without one'),
        el('p', { class: 'quiet' }, 'The platform makes an Express account, and Stripe asks them for the rest.'),
        createForm(office.platform))));
}

/** Why there has to be a key. */
const PLAINLY = 'This page is for the sandbox. The routes it calls need the secret key of the API, which has no place in a '
  + 'browser: a real platform calls them from its own server.';

function showKeyForm(notice: string): void {
  document.title = 'Sellers · Slow Pour';
  forget.hidden = true;
  const key = el('input', { id: 'key', type: 'password', autocomplete: 'off', required: true, spellcheck: 'false' });
  main.className = 'office';
  main.replaceChildren(
    el('div', { class: 'office-head' }, el('h1', {}, 'Sellers'), el('p', { class: 'lead' }, PLAINLY)),
    ...noticeOf(notice),
    el('section', { class: 'panel key-panel' }, taskForm({
      label: ['Open'],
      fields: [labelled('Secret key', key, 'The service prints it when it starts. It stays in this tab and is forgotten with it.')],
      work: async () => {
        await platform(key.value.trim()).sellers();
        sessionStorage.setItem(KEY, key.value.trim());
        await route();
        main.focus({ preventScroll: true });
      },
    })));
}

let config: Config | null = null;
/** What was brought from Stripe and is not dealt with yet: the key may have to be typed in before. */
let arrival: Arrival | null = takeArrival();
/** Grows with every page that is shown. */
let turn = 0;

async function fill(notice: string): Promise<void> {
  if (!config) {
    config = await api.config();
    learnCurrencies(config.currencies);
    showMode(config.mode);
  }
  if (config.mode === 'live') {
    return showMessage(main, 'Not with live keys', el('p', {}, PLAINLY), el('a', { class: 'button', href: './' }, 'Back to the shop'));
  }
  const key = sessionStorage.getItem(KEY);
  if (key === null) return showKeyForm(notice);
  turn += 1;
  const own = turn;
  const office = platform(key);
  forget.hidden = false;
  const came = arrival;
  arrival = null;
  const said = came ? await welcome(office, came) : notice;
  const [, id] = /^#\/(slr_\w+)$/.exec(window.location.hash) ?? [];
  const shared = {
    platform: office, currencies: config.currencies.map(({ currency }) => currency), connectForm: () => connectForm(office),
  };
  if (id) return openSeller(main, shared, id, () => own === turn, said);
  const sellers = await office.sellers();
  if (own === turn) showSellers(shared, sellers.data, said);
}

async function route(notice = ''): Promise<void> {
  try {
    await fill(notice);
  } catch (error) {
    if (error instanceof Problem && error.status === 401) {
      sessionStorage.removeItem(KEY);
      return showKeyForm('This key is not valid here any more.');
    }
    showMessage(main, 'That did not work',
      el('p', { role: 'alert' }, reasonOf(error)),
      el('p', { class: 'actions' },
        el('button', { type: 'button', class: 'button', onclick: () => void route() }, 'Try again'),
        el('a', { class: 'button plain', href: '#/' }, 'All sellers')));
  }
}

forget.addEventListener('click', () => {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(BINDING);
  show('#/');
  void route('The key is forgotten.');
});
window.addEventListener('hashchange', () => {
  void route().then(() => {
    window.scrollTo(0, 0);
    main.focus({ preventScroll: true });
  });
});
// The browser's back button brings a page back as it was left: on the way to Stripe.
window.addEventListener('pageshow', (event) => {
  if (event.persisted) void route();
});
need('.skip').addEventListener('click', (event) => {
  // The part after # says what is shown, so this link moves the focus by itself.
  event.preventDefault();
  main.focus();
});
void route();
