// The seller page: the platform's sellers, their readiness, and the two ways to add a seller.
//
// These API routes need the secret key. A real platform calls them from its server, and its sellers see pages of that
// server. In this demo, the user types the key, which stays in this tab.

import './style.css';
import { api, platform, Problem, type Platform, type Seller } from './api';
import { countryNames } from './countries';
import { el, requireElement, showMessage, showMode } from './dom';
import { actionForm, describeError, idempotent, labeledControl, redirectTo } from './form';
import { setCurrencyRules } from './money';
import { badge } from './readiness';
import { openSeller, pageUrl, redirectToOnboarding, renderNotice, sellerName, type PageContext } from './seller';
import { randomKey } from './storage';

const KEY_ITEM = 'slow-pour:platform-key';
const BINDING_ITEM = 'slow-pour:platform-binding';

const main = requireElement<HTMLElement>('#main');
const removeKeyButton = requireElement<HTMLButtonElement>('.remove-key');

/** Returns the OAuth binding: a random ID per tab. A real platform uses its user's session ID. */
function binding(): string {
  const binding = sessionStorage.getItem(BINDING_ITEM) ?? randomKey();
  sessionStorage.setItem(BINDING_ITEM, binding);
  return binding;
}

type Config = Awaited<ReturnType<typeof api.config>>;

/** The URL parameters of a redirect from Stripe. */
interface RedirectParams {
  code: string | null;
  state: string | null;
  error: string | null;
  from: string | null;
  seller: string | null;
}

/** Reads the redirect parameters, and removes them from the URL, so they don't stay in the history. */
function takeRedirectParams(): RedirectParams {
  const { searchParams, pathname, hash } = new URL(window.location.href);
  window.history.replaceState(null, '', pathname + hash);
  const param = (name: string) => searchParams.get(name);
  return { code: param('code'), state: param('state'), error: param('error'), from: param('from'), seller: param('seller') };
}

/** Messages for the API's OAuth errors, by problem code. */
const OAUTH_ERRORS: Record<string, string> = {
  oauth_state_unknown: 'This link doesn’t match any connection that was started here.',
  oauth_state_used: 'This link was already used. To connect an account, please start again.',
  oauth_state_expired: 'This link has expired. Please start again.',
  oauth_binding_mismatch: 'This connection was started by another user, or in another window.',
  oauth_code_invalid: 'Stripe no longer accepts this confirmation. Please start again.',
  seller_mode_mismatch: 'This shop uses a different Stripe mode (test or live) than the account was connected in.',
};

/** Handles a redirect from Stripe. Returns a notice to show. */
async function handleRedirect(platformApi: Platform, { code, state, error, from, seller }: RedirectParams): Promise<string> {
  if (error === 'access_denied') return 'You didn’t connect your account, and nothing changed. You can connect it at any time.';
  if (error !== null) return 'Stripe couldn’t connect the account. Nothing changed. Please try again.';
  if (code !== null || state !== null) {
    try {
      const { id } = await platformApi.completeOAuth({ code: code ?? '', state: state ?? '', binding: binding() });
      replaceHash(`#/${id}`);
      return '';
    } catch (problem) {
      const message = problem instanceof Problem && OAUTH_ERRORS[problem.code];
      return `${message || describeError(problem)} No account was connected.`;
    }
  }
  if (seller === null) return '';
  // Stripe redirects here if the link was already used or has expired. Create a new link.
  if (from === 'refresh') return redirectToOnboarding(platformApi, seller);
  // Returning doesn't mean that the onboarding is complete, so read the account from Stripe.
  await platformApi.refreshSeller(seller);
  replaceHash(`#/${seller}`);
  return '';
}

/** Sets the URL's hash without adding a history entry. */
const replaceHash = (hash: string) => window.history.replaceState(null, '', hash);

function connectForm(platformApi: Platform): HTMLElement {
  return actionForm({
    label: ['Connect with ', el('strong', {}, 'Stripe')],
    className: 'stripe-connect',
    run: async () => redirectTo((await platformApi.startOAuth(binding(), pageUrl())).url),
  });
}

function createForm(platformApi: Platform): HTMLElement {
  const email = el('input', { id: 'email', type: 'email', autocomplete: 'off' });
  const country = el('select', { id: 'country' }, el('option', { value: '' }, 'Same as the platform'),
    ...countryNames().map(([code, name]) => el('option', { value: code }, name)));
  const create = idempotent((key) => platformApi.createSeller({
    type: 'express', email: email.value.trim() || null, country: country.value || null,
  }, key));
  return actionForm({
    label: ['Create account'],
    fields: [labeledControl('Seller’s email (optional)', email), labeledControl('Seller’s country', country, 'You can’t change the country later.')],
    run: async () => {
      const { id } = await create();
      // The back button then returns to the new seller.
      replaceHash(`#/${id}`);
      return redirectToOnboarding(platformApi, id).catch((error: unknown) => route(describeError(error)));
    },
  });
}

function sellerRow(seller: Seller): HTMLElement {
  return el('li', {}, el('a', { href: `#/${seller.id}` },
    el('span', { class: 'seller-name' }, sellerName(seller)),
    el('code', {}, seller.account_id ?? 'no account yet'),
    badge(seller)));
}

function showSellers(context: PageContext, sellers: Seller[], notice: string): void {
  document.title = 'Sellers · Slow Pour';
  main.className = 'admin';
  main.replaceChildren(
    el('div', { class: 'admin-head' },
      el('h1', {}, 'Sellers'),
      el('p', { class: 'lead' }, 'Sellers use their own Stripe accounts. The platform charges a fee on each sale.')),
    ...renderNotice(notice),
    el('section', { class: 'admin-main', 'aria-labelledby': 'sellers-title' },
      el('h2', { id: 'sellers-title' }, 'All sellers'),
      sellers.length
        ? el('ul', { class: 'sellers' }, ...sellers.map(sellerRow))
        : el('p', { class: 'quiet' }, 'No sellers yet. Add the first one.')),
    el('div', { class: 'admin-side' },
      el('section', { class: 'panel' },
        el('h2', {}, 'Connect an existing account'),
        el('p', { class: 'quiet' }, 'The seller logs in to Stripe and grants the platform access.'),
        context.connectForm()),
      el('section', { class: 'panel' },
        el('h2', {}, 'Create a new account'),
        el('p', { class: 'quiet' }, 'The platform creates an Express account. Stripe then collects the seller’s details.'),
        createForm(context.platform))));
}

/** Explains why the page asks for a key. */
const DEMO_ONLY = 'This page is a demo. It calls API routes that need the secret key, which doesn’t belong in a browser. '
  + 'A real platform calls these routes from its server.';

function showKeyForm(notice: string): void {
  document.title = 'Sellers · Slow Pour';
  removeKeyButton.hidden = true;
  const key = el('input', { id: 'key', type: 'password', autocomplete: 'off', required: true, spellcheck: 'false' });
  main.className = 'admin';
  main.replaceChildren(
    el('div', { class: 'admin-head' }, el('h1', {}, 'Sellers'), el('p', { class: 'lead' }, DEMO_ONLY)),
    ...renderNotice(notice),
    el('section', { class: 'panel key-panel' }, actionForm({
      label: ['Open'],
      fields: [labeledControl('Secret key', key, 'The service prints it at startup. The key stays in this tab until you close it.')],
      run: async () => {
        await platform(key.value.trim()).sellers();
        sessionStorage.setItem(KEY_ITEM, key.value.trim());
        await route();
        main.focus({ preventScroll: true });
      },
    })));
}

let config: Config | null = null;
/** The unhandled redirect parameters. The user may have to enter the key first. */
let redirectParams: RedirectParams | null = takeRedirectParams();
/** Counts page renders, so that a slow response doesn't replace a newer page. */
let renderCount = 0;

async function render(notice: string): Promise<void> {
  if (!config) {
    config = await api.config();
    setCurrencyRules(config.currencies);
    showMode(config.mode);
  }
  if (config.mode === 'live') {
    return showMessage(main, 'Not available with live keys', el('p', {}, DEMO_ONLY), el('a', { class: 'button', href: './' }, 'Back to the shop'));
  }
  const key = sessionStorage.getItem(KEY_ITEM);
  if (key === null) return showKeyForm(notice);
  renderCount += 1;
  const currentRender = renderCount;
  const platformApi = platform(key);
  removeKeyButton.hidden = false;
  const params = redirectParams;
  redirectParams = null;
  const message = params ? await handleRedirect(platformApi, params) : notice;
  const [, id] = /^#\/(slr_\w+)$/.exec(window.location.hash) ?? [];
  const context = {
    platform: platformApi, currencies: config.currencies.map(({ currency }) => currency), connectForm: () => connectForm(platformApi),
  };
  if (id) return openSeller(main, context, id, () => currentRender === renderCount, message);
  const sellers = await platformApi.sellers();
  if (currentRender === renderCount) showSellers(context, sellers.data, message);
}

async function route(notice = ''): Promise<void> {
  try {
    await render(notice);
  } catch (error) {
    if (error instanceof Problem && error.status === 401) {
      sessionStorage.removeItem(KEY_ITEM);
      return showKeyForm('This key is no longer valid.');
    }
    showMessage(main, 'Something went wrong',
      el('p', { role: 'alert' }, describeError(error)),
      el('p', { class: 'actions' },
        el('button', { type: 'button', class: 'button', onclick: () => void route() }, 'Try again'),
        el('a', { class: 'button plain', href: '#/' }, 'All sellers')));
  }
}

removeKeyButton.addEventListener('click', () => {
  sessionStorage.removeItem(KEY_ITEM);
  sessionStorage.removeItem(BINDING_ITEM);
  replaceHash('#/');
  void route('The key was removed.');
});
window.addEventListener('hashchange', () => {
  void route().then(() => {
    window.scrollTo(0, 0);
    main.focus({ preventScroll: true });
  });
});
// The back button can restore a page with a busy form, so render it again.
window.addEventListener('pageshow', (event) => {
  if (event.persisted) void route();
});
requireElement('.skip').addEventListener('click', (event) => {
  // The hash selects the view, so the skip link can't change it. Move the focus instead.
  event.preventDefault();
  main.focus();
});
void route();
