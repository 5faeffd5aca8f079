// The sandbox's pages of Connect, as the owner of an account sees them: OAuth and onboarding.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newCustomer, screenshot, servePage, startBrowser, startService, stripe } from './support.mjs';

let service;
let chromium;
let platform;

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

const state = 'a+b/c= &d"é';
const question = () => `${service.sandbox}/oauth/authorize?${new URLSearchParams({
  response_type: 'code', client_id: 'ca_Test1', scope: 'read_write', state, redirect_uri: `${platform.url}/back?a=1`,
  'stripe_user[business_name]': '<b>Ada</b> & Co', 'stripe_user[email]': 'ada@example.com', 'stripe_user[country]': 'DE',
})}`;

const backAt = async (page, pathname) => {
  await page.waitForURL((url) => url.origin === platform.url && url.pathname === pathname);
  return new URL(page.url()).searchParams;
};

test('an owner connects an account, by keyboard alone', async () => {
  const { page, context, outside, errors } = await newCustomer(chromium.browser);
  await page.goto(question());
  assert.equal(await page.getByLabel('Business name').inputValue(), '<b>Ada</b> & Co');
  assert.equal(await page.getByLabel('Email').inputValue(), 'ada@example.com');
  assert.equal(await page.getByLabel('A new account').isChecked(), true);
  await screenshot(page, 'oauth', { isWhole: true });
  await page.getByRole('button', { name: 'Connect my account' }).focus();
  await page.keyboard.press('Enter');
  const back = await backAt(page, '/back');
  assert.deepEqual([back.get('a'), back.get('state'), back.get('scope')], ['1', state, 'read_write']);
  const grant = { grant_type: 'authorization_code', code: back.get('code') };
  const token = await stripe(service, 'POST', '/oauth/token', grant);
  const account = await stripe(service, 'GET', `/v1/accounts/${token.stripe_user_id}`);
  assert.deepEqual(
    [account.business_profile.name, account.country, account.charges_enabled],
    ['<b>Ada</b> & Co', 'DE', true],
  );
  // Next time the account is there to be chosen, and the owner thinks better of it.
  await page.goto(question());
  await page.getByLabel(account.id).check();
  await page.getByRole('button', { name: 'Deny' }).click();
  const denied = await backAt(page, '/back');
  assert.deepEqual([denied.get('error'), denied.get('state'), denied.get('code')], ['access_denied', state, null]);
  assert.deepEqual([outside, errors], [[], []]);
  await context.close();
});

test('a person goes through the onboarding once', async () => {
  const made = await stripe(service, 'POST', '/v1/accounts', { type: 'express', country: 'DE' });
  const link = await stripe(service, 'POST', '/v1/account_links', {
    account: made.id,
    type: 'account_onboarding',
    refresh_url: `${platform.url}/again`,
    return_url: `${platform.url}/done`,
  });
  const { page, context, outside, errors } = await newCustomer(chromium.browser, { viewport: { width: 390, height: 800 } });
  await page.goto(link.url);
  await page.getByText('external_account').waitFor();
  await screenshot(page, 'onboarding', { isWhole: true });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `it fits a telephone: ${width}`);
  await page.getByLabel('Business name').fill('Ada');
  await page.getByRole('button', { name: 'Submit everything' }).click();
  await backAt(page, '/done');
  const account = await stripe(service, 'GET', `/v1/accounts/${made.id}`);
  assert.deepEqual([account.charges_enabled, account.settings.dashboard.display_name], [true, 'Ada']);
  await page.goto(link.url);
  await backAt(page, '/again');
  assert.deepEqual([outside, errors], [[], []]);
  await context.close();
});
