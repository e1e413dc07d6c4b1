/** What newcomers try in a browser: the page `/docs` of the gateway, and the tutorial's own page. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { DEMO_BUNDLE } from '../demo.js';
import { startStack } from './stack.js';
import { launch, openWindow, skip } from './windows.js';

const TUTORIAL = new URL('../../../docs/tutorial.md', import.meta.url);
const SCOPE = 'messaging:read messaging:update system_events:audit';

let stack;
let browser;

before(async () => {
  if (skip) return;
  [stack, browser] = await Promise.all([startStack(), launch()]);
});
after(async () => {
  await browser?.close();
  await stack?.stop();
});

async function authorize(page, token) {
  await page.locator('.btn.authorize').click();
  await page.locator('#auth-bearer-value').fill(token);
  await page.locator('.auth-btn-wrapper .authorize >> nth=0').click();
  await page.locator('.auth-btn-wrapper .btn-done >> nth=0').click();
}

/** Opens a call, clicks twice, and closes it again: open ones make the page slow. Returns the status of the answer. */
async function tryOut(call) {
  await call.locator('.opblock-summary-control').click();
  await call.locator('.try-out__btn').click();
  await call.locator('.btn.execute').click();
  const status = await call.locator('.live-responses-table tbody .response-col_status').first().textContent();
  await call.locator('.opblock-summary-control').click();
  return status.trim();
}

test('every call works as it is filled in, but for those that ask for an id', { skip }, async () => {
  const page = await openWindow(await browser.newContext({ viewport: { width: 1280, height: 800 } }), `${stack.url}/docs`);
  await authorize(page, await stack.token('ada', '--scope', SCOPE));
  const calls = page.locator('.opblock');
  await calls.first().waitFor();
  const statuses = new Map();
  for (const call of await calls.all()) {
    const path = await call.locator('.opblock-summary-path').getAttribute('data-path');
    // A stream does not end.
    if (path.includes('{id}') || path.endsWith('/stream')) continue;
    statuses.set(`${await call.locator('.opblock-summary-method').textContent()} ${path}`, await tryOut(call));
  }
  assert.equal(statuses.size, 14);
  assert.deepEqual(new Set(statuses.values()), new Set(['200']), JSON.stringify([...statuses]));
});

/** Serves the tutorial's page and the file beside it on `localhost`, for a gateway. */
async function serveTutorial(gateway) {
  const [, page] = /```html\n([^]*?)```/.exec(await readFile(TUTORIAL, 'utf8'));
  const files = {
    '/bell.html': ['text/html', page.replace('http://127.0.0.1:8080', gateway)],
    '/readstate.js': ['text/javascript', await readFile(DEMO_BUNDLE)],
  };
  const site = createServer((request, response) => {
    const [type, content] = files[request.url] ?? ['text/plain', ''];
    response.setHeader('content-type', type).end(content);
  });
  await once(site.listen(0, 'localhost'), 'listening');
  return site;
}

test("the tutorial's page has a bell that counts", { skip }, async () => {
  const site = await serveTutorial(stack.url);
  try {
    const token = await stack.token('grace', '--scope', SCOPE);
    const url = `http://localhost:${site.address().port}/bell.html#token=${token}`;
    const page = await openWindow(await browser.newContext(), url);
    await page.locator('[part~=badge]').filter({ hasText: /^50$/ }).waitFor();
  } finally {
    site.closeAllConnections();
    site.close();
  }
});
