// Shared helpers for browser tests: a running service, a browser, and a page on another origin.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SCREENSHOTS = path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target'), 'browser');
/** The maximum wait for a condition. */
const TIMEOUT_MS = 20_000;

export const CARDS = {
  success: '4242424242424242',
  declined: '4000000000009995',
  threeDSecure: '4000002760003184',
};

/** Starts the binary in an empty directory on free ports, and reads the URLs from its banner. `settings` are additional
 * environment variables. */
export async function startService(settings = {}) {
  const directory = await mkdtemp(path.join(tmpdir(), 'quittance-browser-'));
  const { QUITTANCE_BIN = path.join(ROOT, 'target/debug/quittance'), PATH, HOME } = process.env;
  const child = spawn(QUITTANCE_BIN, ['serve'], {
    cwd: directory,
    // The caller's environment must not affect the tests.
    env: {
      PATH, HOME, QUITTANCE_LISTEN: '127.0.0.1:0', QUITTANCE_SANDBOX_LISTEN: '127.0.0.1:0', QUITTANCE_RATE_LIMIT: '0',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise((resolve) => { child.once('exit', resolve); });
  let log = '';
  child.stderr.on('data', (data) => { log += data; });
  const banner = await new Promise((resolve, reject) => {
    let text = '';
    const timeout = setTimeout(() => reject(new Error(`no banner:\n${text}\n${log}`)), TIMEOUT_MS);
    child.stdout.on('data', (data) => {
      text += data;
      if (!/^ {2}API .*\n/m.test(text) || !/^ {2}Key .*\n/m.test(text)) return;
      clearTimeout(timeout);
      resolve(text);
    });
    exited.then((code) => reject(new Error(`the service exited with ${code}:\n${text}\n${log}`)));
  });
  const bannerValue = (name) => banner.match(new RegExp(`^ {2}${name} +(\\S+)`, 'm'))[1];
  return {
    url: bannerValue('API'),
    sandbox: bannerValue('Sandbox'),
    key: bannerValue('Key'),
    log: () => log,
    async stop() {
      child.kill('SIGTERM');
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Starts Debian's Chromium with a temporary profile and without background requests. */
export async function startBrowser() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    chromiumSandbox: false,
    args: [
      '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--no-proxy-server',
    ],
  });
  return { browser, stop: () => browser.close() };
}

/** Creates a customer: a new browser context that can access only this machine. Records requests to other hosts and
 * errors in pages. */
export async function newCustomer(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-IE', ...options });
  context.setDefaultTimeout(TIMEOUT_MS);
  const externalRequests = [];
  const pageErrors = [];
  await context.route((url) => !['127.0.0.1', 'localhost'].includes(url.hostname) && url.protocol !== 'data:', (route) => {
    externalRequests.push(route.request().url());
    return route.abort();
  });
  context.on('weberror', (event) => pageErrors.push(String(event.error())));
  return { context, externalRequests, pageErrors, page: await context.newPage() };
}

/** Closes a customer's browser context. Fails if a page had errors or requested another host. */
export async function closeCustomer({ context, externalRequests, pageErrors }) {
  assert.deepEqual(externalRequests, [], 'pages request no other host');
  assert.deepEqual(pageErrors, [], 'pages have no errors');
  await context.close();
}

/** Serves one page on a separate origin. */
export async function servePage(html) {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(request.url.startsWith('/favicon') ? '' : html);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

/** Calls the sandbox with a secret key, on behalf of a connected account if one is given. */
export async function stripe(service, method, route, params = {}, account = undefined) {
  const form = new URLSearchParams(params);
  const url = `${service.sandbox}${route}${method === 'GET' ? `?${form}` : ''}`;
  const response = await fetch(url, {
    method,
    headers: { Authorization: 'Bearer sk_test_sandbox', ...(account && { 'Stripe-Account': account }) },
    body: method === 'GET' ? undefined : form,
  });
  return response.json();
}

/** Calls the API with the secret key. */
export async function callApi(service, method, route, body = undefined) {
  const response = await fetch(service.url + route, {
    method,
    headers: { Authorization: `Bearer ${service.key}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.ok(response.ok, `${method} ${route}: ${response.status} ${await response.clone().text()}`);
  return response.json();
}

/** Saves a screenshot of the window, or of the full page. Chromium doesn't render hidden parts of a frame, so the full
 * page needs a window of the same height. */
export async function screenshot(page, name, { isFullPage = false } = {}) {
  await mkdir(SCREENSHOTS, { recursive: true });
  const viewport = page.viewportSize();
  if (isFullPage) {
    const height = await page.evaluate(() => Math.max(document.documentElement.scrollHeight, window.innerHeight));
    await page.setViewportSize({ ...viewport, height });
  }
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), animations: 'disabled' });
  if (isFullPage) await page.setViewportSize(viewport);
}

/** Whether the page is wider than the window. */
export const hasHorizontalScroll = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);

export const isFocused = (locator) => locator.evaluate((node) => node === document.activeElement);

/** Returns the form in the Payment Element's frame. */
export const paymentForm = (page) => page.frameLocator('iframe[title="Secure payment input frame"]');

/** Types card details as a customer does. */
export async function typeCard(page, number, { expiry = '1230', code = '123' } = {}) {
  const form = paymentForm(page);
  await form.getByLabel('Card number').fill('');
  await form.getByLabel('Card number').pressSequentially(number);
  await form.getByLabel('Expiration date').fill(expiry);
  await form.getByLabel('Security code').fill(code);
}

/** Calls `read` until `condition` accepts the value, and returns the value. */
export async function waitUntil(read, condition, timeoutMs = TIMEOUT_MS) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (condition(value)) return value;
    if (Date.now() > deadline) throw new Error(`timed out: ${condition}\nlast value: ${JSON.stringify(value)}`);
  }
}
