// A running service, a browser, and a shop's page of another origin: what every test needs.

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SCREENSHOTS = path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target'), 'browser');
/** How long any condition may take to come true, in milliseconds. */
const PATIENCE_MS = 20_000;

export const CARDS = {
  success: '4242424242424242',
  declined: '4000000000009995',
  threeDSecure: '4000002760003184',
};

/** Starts the binary in an empty directory, on free ports, and reads the addresses of its banner. `settings` are more
 * of its environment. */
export async function startService(settings = {}) {
  const directory = await mkdtemp(path.join(tmpdir(), 'quittance-browser-'));
  const { QUITTANCE_BIN = path.join(ROOT, 'target/debug/quittance'), PATH, HOME } = process.env;
  const child = spawn(QUITTANCE_BIN, ['serve'], {
    cwd: directory,
    // Nothing of the caller's environment decides what is tested.
    env: {
      PATH, HOME, QUITTANCE_LISTEN: '127.0.0.1:0', QUITTANCE_SANDBOX_LISTEN: '127.0.0.1:0', QUITTANCE_RATE_LIMIT: '0',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise((resolve) => { child.once('exit', resolve); });
  let log = '';
  child.stderr.on('data', (data) => { log += data; });
  const banner = await new Promise((resolve, reject) => {
    let text = '';
    const late = setTimeout(() => reject(new Error(`no banner:\n${text}\n${log}`)), PATIENCE_MS);
    child.stdout.on('data', (data) => {
      text += data;
      if (!/^ {2}API .*\n/m.test(text) || !/^ {2}Key .*\n/m.test(text)) return;
      clearTimeout(late);
      resolve(text);
    });
    ended.then((code) => reject(new Error(`the service ended with ${code}:\n${text}\n${log}`)));
  });
  const said = (name) => banner.match(new RegExp(`^ {2}${name} +(\\S+)`, 'm'))[1];
  return {
    url: said('API'),
    sandbox: said('Sandbox'),
    key: said('Key'),
    log: () => log,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Debian's Chromium with an empty profile (made and removed by `launch`), and nothing of it that calls home. */
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

/** A context of its own: a new customer, with nothing remembered, who can reach this machine only. */
export async function newCustomer(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-IE', ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const outside = [];
  const errors = [];
  await context.route((url) => !['127.0.0.1', 'localhost'].includes(url.hostname) && url.protocol !== 'data:', (route) => {
    outside.push(route.request().url());
    return route.abort();
  });
  context.on('weberror', (event) => errors.push(String(event.error())));
  return { context, outside, errors, page: await context.newPage() };
}

/** Serves one page on an origin of its own. */
export async function servePage(html) {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(request.url.startsWith('/favicon') ? '' : html);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

/** Asks the sandbox with a secret key, for a connected account if one is named. */
export async function stripe(service, method, route, params = {}, account = undefined) {
  const form = new URLSearchParams(params);
  const url = `${service.sandbox}${route}${method === 'GET' ? `?${form}` : ''}`;
  const answer = await fetch(url, {
    method,
    headers: { Authorization: 'Bearer sk_test_sandbox', ...(account && { 'Stripe-Account': account }) },
    body: method === 'GET' ? undefined : form,
  });
  return answer.json();
}

/** Keeps a picture of the page; of the whole of it with `isWhole`. What is out of sight is not drawn in a frame, so
 * the window is made as high as the page. */
export async function screenshot(page, name, { isWhole = false } = {}) {
  await mkdir(SCREENSHOTS, { recursive: true });
  const viewport = page.viewportSize();
  if (isWhole) {
    const height = await page.evaluate(() => Math.max(document.documentElement.scrollHeight, window.innerHeight));
    await page.setViewportSize({ ...viewport, height });
  }
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), animations: 'disabled' });
  if (isWhole) await page.setViewportSize(viewport);
}

/** The form in the Payment Element's frame. */
export const paymentForm = (page) => page.frameLocator('iframe[title="Secure payment input frame"]');

/** Types a card as a customer does. */
export async function typeCard(page, number, { expiry = '1230', code = '123' } = {}) {
  const form = paymentForm(page);
  await form.getByLabel('Card number').fill('');
  await form.getByLabel('Card number').pressSequentially(number);
  await form.getByLabel('Expiration date').fill(expiry);
  await form.getByLabel('Security code').fill(code);
}

/** Waits until `read` answers what `is` takes. */
export async function until(read, is, patienceMs = PATIENCE_MS) {
  const end = Date.now() + patienceMs;
  for (;;) {
    const value = await read();
    if (is(value)) return value;
    if (Date.now() > end) throw new Error(`this does not come true: ${is}\nlast seen: ${JSON.stringify(value)}`);
  }
}
