// The sandbox's Connect pages, as account owners see them: OAuth and onboarding.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import {
  closeCustomer, hasHorizontalScroll, newCustomer, screenshot, servePage, startBrowser, startService, stripe,
} from './support.mjs';

let service;
let chromium;
let platform;
let owner;

before(async () => {
  service = await startService();
  chromium = await startBrowser();
  platform = await servePage('<!doctype html><html lang="en"><title>A platform</title><h1>A platform</h1>');
});
after(async () => {
  await chromium?.stop();
  platform?.stop();
  await service?.stop();
});
beforeEach(async () => { owner = await newCustomer(chromium.browser, { viewport: { width: 390, height: 800 } }); });
afterEach(() => closeCustomer(owner));

const STATE = 'a+b/c= &d"é';
const authorizeUrl = () => `${service.sandbox}/oauth/authorize?${new URLSearchParams({
  response_type: 'code', client_id: 'ca_Test1', scope: 'read_write', state: STATE, redirect_uri: `${platform.url}/back?a=1`,
  'stripe_user[business_name]': '<b>Ada</b> & Co', 'stripe_user[email]': 'ada@example.com', 'stripe_user[country]': 'DE',
})}`;

/** Waits for a redirect to the platform. Returns the URL's parameters. */
async function waitForRedirect(page, pathname) {
  await page.waitForURL((url) => url.origin === platform.url && url.pathname === pathname);
  return new URL(page.url()).searchParams;
}

/** Connects a new account with the keyboard. Returns the parameters of the redirect. */
async function connectAccount(page) {
  await page.goto(authorizeUrl());
  await page.getByRole('button', { name: 'Connect my account' }).focus();
  await page.keyboard.press('Enter');
  return waitForRedirect(page, '/back');
}

async function exchangeCode(params) {
  const grant = { grant_type: 'authorization_code', code: params.get('code') };
  const token = await stripe(service, 'POST', '/oauth/token', grant);
  return stripe(service, 'GET', `/v1/accounts/${token.stripe_user_id}`);
}

test('the OAuth page shows the prefilled details', async () => {
  const { page } = owner;

  await page.goto(authorizeUrl());

  assert.equal(await page.getByLabel('Business name').inputValue(), '<b>Ada</b> & Co');
  assert.equal(await page.getByLabel('Email').inputValue(), 'ada@example.com');
  assert.equal(await page.getByLabel('A new account').isChecked(), true);
  await screenshot(page, 'oauth', { isFullPage: true });
});

test('an owner connects a new account with the keyboard', async () => {
  const { page } = owner;

  const params = await connectAccount(page);

  assert.deepEqual([params.get('a'), params.get('state'), params.get('scope')], ['1', STATE, 'read_write']);
  const account = await exchangeCode(params);
  assert.deepEqual(
    [account.business_profile.name, account.country, account.charges_enabled],
    ['<b>Ada</b> & Co', 'DE', true],
  );
});

test('an owner can select an existing account and deny access', async () => {
  const { page } = owner;
  const account = await exchangeCode(await connectAccount(page));

  await page.goto(authorizeUrl());
  await page.getByLabel(account.id).check();
  await page.getByRole('button', { name: 'Deny' }).click();

  const params = await waitForRedirect(page, '/back');
  assert.deepEqual([params.get('error'), params.get('state'), params.get('code')], ['access_denied', STATE, null]);
});

/** Creates an Express account and its onboarding link. */
async function createOnboardingLink() {
  const account = await stripe(service, 'POST', '/v1/accounts', { type: 'express', country: 'DE' });
  const { url } = await stripe(service, 'POST', '/v1/account_links', {
    account: account.id,
    type: 'account_onboarding',
    refresh_url: `${platform.url}/again`,
    return_url: `${platform.url}/done`,
  });
  return { account, url };
}

async function completeOnboarding(page, url) {
  await page.goto(url);
  await page.getByLabel('Business name').fill('Ada');
  await page.getByRole('button', { name: 'Submit everything' }).click();
  await waitForRedirect(page, '/done');
}

test('the onboarding page lists the requirements and fits a phone screen', async () => {
  const { page } = owner;
  const { url } = await createOnboardingLink();

  await page.goto(url);

  await page.getByText('external_account').waitFor();
  await screenshot(page, 'onboarding', { isFullPage: true });
  assert.equal(await hasHorizontalScroll(page), false);
});

test('completed onboarding enables charges', async () => {
  const { page } = owner;
  const { account, url } = await createOnboardingLink();

  await completeOnboarding(page, url);

  const { charges_enabled, settings } = await stripe(service, 'GET', `/v1/accounts/${account.id}`);
  assert.deepEqual([charges_enabled, settings.dashboard.display_name], [true, 'Ada']);
});

test('a used onboarding link redirects to the refresh URL', async () => {
  const { page } = owner;
  const { url } = await createOnboardingLink();
  await completeOnboarding(page, url);

  await page.goto(url);

  await waitForRedirect(page, '/again');
});
