/**
 * The bell in a real Chromium, on the demo page of the real service. Ada has 38 of 50 events unread, and 10
 * notifications. Grace has 50 events unread. With `READSTATE_SCREENSHOTS` set to a folder, the looks are kept there.
 */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { build } from 'esbuild';

import { DEMO_BUNDLE, demoBundle } from '../demo.js';
import { bundled, gzipped } from './bundle.js';
import { startStack } from './stack.js';
import { assertAccessible, bellOf, eventually, launch, openWindow, skip } from './windows.js';

const FOLDER = process.env.READSTATE_SCREENSHOTS;

let stack;
let browser;
const profiles = [];
const pages = [];

before(async () => {
  if (skip) return;
  [stack, browser] = await Promise.all([startStack({ READSTATE_TOKEN_LEEWAY: '0' }), launch()]);
});
afterEach(async () => {
  const faults = pages.splice(0).flatMap((page) => page.faults);
  await Promise.all(profiles.splice(0).map((profile) => profile.close()));
  assert.deepEqual(faults, []);
});
after(async () => {
  await browser?.close();
  await stack?.stop();
});

/** Another browser, with windows of its own. */
async function openProfile(options = {}) {
  const profile = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', ...options });
  profiles.push(profile);
  return profile;
}

async function openDemo(profile, url = `${stack.url}/demo`) {
  const page = await openWindow(profile, url);
  pages.push(page);
  return page;
}

async function screenshot(page, name) {
  if (FOLDER) await page.screenshot({ path: join(FOLDER, `${name}.png`) });
}

// ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────────

test("the demo's bundle is what the sources make", async () => {
  assert.equal(await readFile(DEMO_BUNDLE, 'utf8'), await demoBundle(), 'run `npm run demo`');
});

test('the bell with the store and the client is smaller than 20 kB', async () => {
  const sizes = [await bundled('bell.js', ['ReadstateBell']), await bundled('index.js', ['createInbox', 'ReadState'])];
  const size = sizes.map(gzipped).reduce((sum, one) => sum + one);
  assert.ok(size < 20_000, `${size} bytes`);
});

// ── Windows ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test('what one window marks, the others show, in this browser and in another', { skip }, async () => {
  const [home, office] = [await openProfile(), await openProfile()];
  const [one, two, three] = [await openDemo(home), await openDemo(home), await openDemo(office)];
  const [first, second, third] = [one, two, three].map((page) => bellOf(page, 'ada'));
  await Promise.all([first, second, third].map((bell) => bell.unread(48)));
  await Promise.all([first, second, third].map((bell) => bell.open()));
  await first.entry('demo event 50)').locator('[part~=entry-action]').first().click();
  for (const bell of [first, second, third]) {
    await bell.unread(47);
    await eventually(async () => !(await bell.isUnread('demo event 50)')), 'not marked');
  }
  // Another person's bell does not move.
  assert.equal(await bellOf(one, 'grace').part('badge').textContent(), '50');
  await second.entry('demo event 50)').locator('[part~=entry-action]').first().click();
  for (const bell of [first, second, third]) await bell.unread(48);
});

test('the windows of one browser have one stream', { skip }, async () => {
  const profile = await openProfile();
  const asked = new Map();
  profile.on('request', (request) => {
    const { pathname } = new URL(request.url());
    asked.set(pathname, (asked.get(pathname) ?? 0) + 1);
  });
  const windows = [];
  for (const _ of '123') windows.push(await openDemo(profile));
  for (const page of windows) await bellOf(page, 'ada').unread(48);
  const way = '/v1/unread/stream';
  // One for each person.
  assert.equal(asked.get(way), 2);
  await windows[0].close();
  await eventually(() => asked.get(way) >= 4, 'no new leader');
  const [, second, third] = windows.map((page) => bellOf(page, 'ada'));
  await second.open();
  await second.entry('demo event 50)').locator('[part~=entry-action]').first().click();
  await third.unread(47);
  await second.part('undo').click();
  await third.unread(48);
});

test('new events are counted, and the pill shows them', { skip }, async () => {
  const page = await openDemo(await openProfile());
  const ada = bellOf(page, 'ada');
  await ada.unread(48);
  await ada.open();
  await page.locator('#record').evaluate((button) => button.click());
  await ada.part('pill').filter({ hasText: /^1 new$/ }).waitFor();
  await ada.unread(49);
  assert.match(await ada.entries.first().textContent(), /demo event 50/);
  await assertAccessible(page, 'with the pill');
  // Only what was shown becomes read.
  await ada.part('mark-all').click();
  await ada.unread(11);
  await ada.part('pill').click();
  await ada.part('pill').waitFor({ state: 'hidden' });
  assert.equal(await ada.entries.first().getAttribute('data-unread'), '');
  assert.match(await ada.entries.nth(1).textContent(), /demo event 50/);
  await ada.part('undo').click();
  await ada.unread(49);
  await ada.entries.first().locator('[part~=entry-action]').first().click();
  await ada.unread(48);
});

test('scrolling loads older events, and the filter shows what is unread', { skip }, async () => {
  const page = await openDemo(await openProfile());
  const ada = bellOf(page, 'ada');
  await ada.open();
  await eventually(async () => {
    await ada.part('list').evaluate((list) => list.scrollTo(0, list.scrollHeight));
    return (await ada.entry('demo event 1)').count()) > 0;
  }, 'the oldest event does not come');
  assert.equal(await ada.entries.count(), 51);
  await ada.part('filter').click();
  await eventually(async () => {
    await ada.part('list').evaluate((list) => list.scrollTo(0, list.scrollHeight));
    return (await ada.entries.count()) === 38;
  }, 'not all unread ones');
  assert.equal(await ada.bell.locator('li:not([data-unread])').count(), 0);
});

test('the notifications are seen when they are shown, read when they are opened, and dismissed', { skip }, async () => {
  const page = await openDemo(await openProfile());
  const ada = bellOf(page, 'ada');
  await ada.open();
  const opened = ada.bell.evaluate(
    (bell) => new Promise((resolve) => bell.addEventListener('readstate-select', (event) => resolve(event.detail.title))),
  );
  await ada.bell.getByRole('tab').nth(1).click();
  await ada.entry('Maintenance on Sunday').waitFor();
  await assertAccessible(page, 'with notifications');
  await ada.entry('Maintenance on Sunday').locator('[part~=entry-button]').click();
  assert.equal(await opened, 'Maintenance on Sunday');
  await ada.unread(47);
  await ada.entry('Nightly check is calm').getByRole('button', { name: 'Dismiss' }).click();
  await ada.unread(46);
  await ada.entry('Nightly check is calm').waitFor({ state: 'detached' });
});

// ── Bad times ────────────────────────────────────────────────────────────────────────────────────────────────────────

test('while the network is cut nothing is claimed, and afterwards everything is right', { skip }, async () => {
  const [cut, whole] = [await openProfile(), await openProfile()];
  const [one, two] = [await openDemo(cut), await openDemo(whole)];
  const [here, there] = [bellOf(one, 'grace'), bellOf(two, 'grace')];
  const count = await here.count();
  await there.unread(count);
  await Promise.all([here.open(), there.open()]);
  await cut.setOffline(true);
  await here.status(/offline/);
  await here.entry('demo event 50)').locator('[part~=entry-action]').first().click();
  await here.part('notice').filter({ hasText: /did not work|No connection/ }).waitFor();
  await here.unread(count);
  await assertAccessible(one, 'without a network');
  await there.entry('demo event 49)').locator('[part~=entry-action]').first().click();
  await there.unread(count - 1);
  await cut.setOffline(false);
  await here.unread(count - 1);
  await eventually(async () => !(await here.isUnread('demo event 49)')), 'not caught up');
});

test('a server that is killed and started again is found again', { skip }, async () => {
  const page = await openDemo(await openProfile());
  const grace = bellOf(page, 'grace');
  const count = await grace.count();
  await grace.open();
  await stack.kill();
  await grace.status(/offline/);
  await grace.part('notice').filter({ hasText: 'No connection' }).waitFor();
  await stack.start();
  await grace.status(/live|polling/);
  await grace.entry('demo event 48)').locator('[part~=entry-action]').first().click();
  await grace.unread(count - 1);
  await grace.part('undo').click();
  await grace.unread(count);
});

test('tokens are renewed, and nobody notices', { skip }, async () => {
  const profile = await openProfile();
  const given = { ada: 0, grace: 0 };
  await profile.route('**/demo/token', async (route) => {
    const { user } = route.request().postDataJSON();
    const token = await stack.token(user, '--scope', 'messaging:read messaging:update', '--expires-in', '3');
    given[user] += 1;
    // The page keeps it for longer than it is valid: the server has to say so.
    await route.fulfill({ json: { token, expires_in: 300 } });
  });
  const page = await openDemo(profile);
  const grace = bellOf(page, 'grace');
  const count = await grace.count();
  await grace.bell.evaluate(({ inbox }) => {
    globalThis.statuses = [];
    inbox.subscribe(() => globalThis.statuses.push(inbox.getSnapshot().status));
  });
  await eventually(() => given.grace >= 3, 'the stream does not outlive its token');
  await grace.open();
  await grace.entry('demo event 48)').locator('[part~=entry-action]').first().click();
  await grace.unread(count - 1);
  await grace.part('undo').click();
  await grace.unread(count);
  assert.deepEqual([...new Set(await page.evaluate(() => globalThis.statuses))], ['live']);
});

test('without streams the bell polls, and follows all the same', { skip }, async () => {
  const profile = await openProfile();
  await profile.route('**/v1/unread/stream', (route) => route.fulfill({ status: 501, json: {} }));
  const page = await openDemo(profile);
  const grace = bellOf(page, 'grace');
  await grace.status(/polling/);
  const count = await grace.count();
  const other = await openDemo(profile);
  await bellOf(other, 'grace').open();
  await bellOf(other, 'grace').entry('demo event 48)').locator('[part~=entry-action]').first().click();
  // The windows of one browser tell each other.
  await grace.unread(count - 1);
  await bellOf(other, 'grace').part('undo').click();
  await grace.unread(count);
});

test('a window that sleeps is replaced as the leader', { skip }, async () => {
  const profile = await openProfile();
  const [first, asleep] = [await openDemo(profile), await openDemo(profile, `${stack.url}/demo/page.css`)];
  await bellOf(first, 'grace').count();
  const names = await first.evaluate(async () => (await navigator.locks.query()).held.map(({ name }) => name));
  assert.equal(names.length, 2);
  await first.close();
  // It holds the locks, and says nothing: as a window does that the browser has put to sleep.
  await asleep.evaluate(
    (names) => names.forEach((name) => navigator.locks.request(name, () => new Promise(() => {})).catch(() => {})),
    names,
  );
  const awake = await openDemo(profile);
  const asked = [];
  awake.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await awake.evaluate(() => {
    const now = Date.now.bind(Date);
    Date.now = () => 120_000 + now();
  });
  await eventually(() => asked.filter((path) => path === '/v1/unread/stream').length === 2, 'nobody has taken over');
  await bellOf(awake, 'grace').status(/live/);
});

test('it works in React', { skip }, async () => {
  const profile = await openProfile();
  const html = `<!doctype html><html lang="en"><title>React</title><main data-user="grace"><h1>React</h1>
    <div id="root"></div></main><script type="module" src="/react.js"></script></html>`;
  const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'";
  await profile.route('**/react.html', (route) =>
    route.fulfill({ body: html, contentType: 'text/html', headers: { 'content-security-policy': policy } }),
  );
  const body = await reactPage();
  await profile.route('**/react.js', (route) => route.fulfill({ body, contentType: 'text/javascript' }));
  const page = await openDemo(profile, `${stack.url}/react.html`);
  const grace = bellOf(page, 'grace');
  const count = await grace.count();
  await page.locator('.state', { hasText: `grace has ${count}` }).waitFor();
  await grace.open();
  await grace.entry('demo event 48)').locator('[part~=entry-button]').click();
  await page.locator('.state', { hasText: `grace has ${count - 1}, opened 48` }).waitFor();
  await grace.part('undo').click();
  await page.locator('.state', { hasText: `grace has ${count}` }).waitFor();
});

/** A page with React's own strict mode, which subscribes twice. */
async function reactPage() {
  const contents = `
    import { createElement, StrictMode, useState } from 'react';
    import { createRoot } from 'react-dom/client';
    import { createInbox, ReadState } from '../dist/index.js';
    import { Bell, useInbox } from '../dist/react.js';
    const token = async () => {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch('/demo/token', { method: 'POST', headers, body: '{"user":"grace"}' });
      return (await answer.json()).token;
    };
    const inbox = createInbox(new ReadState({ baseUrl: '/', token }));
    function Page() {
      const [opened, setOpened] = useState('');
      const { unread } = useInbox(inbox);
      const said = unread ? 'grace has ' + unread.unread_count + opened : '';
      const onSelect = (entry) => setOpened(', opened ' + entry.id);
      return [
        createElement(Bell, { key: 1, inbox, onSelect }),
        createElement('p', { key: 2, className: 'state' }, said),
      ];
    }
    createRoot(document.getElementById('root')).render(createElement(StrictMode, null, createElement(Page)));`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format: 'esm',
    define: { 'process.env.NODE_ENV': '"development"' },
    write: false,
  });
  return outputFiles[0].text;
}

// ── Looks ────────────────────────────────────────────────────────────────────────────────────────────────────────────

for (const [width, height] of [[390, 844], [1280, 800]]) {
  for (const colorScheme of ['light', 'dark']) {
    test(`it fits ${width} pixels, ${colorScheme}, and axe has nothing to say`, { skip }, async () => {
      const page = await openDemo(await openProfile({ viewport: { width, height }, colorScheme }));
      const ada = bellOf(page, 'ada');
      await ada.part('badge').filter({ hasText: /^\d+$/ }).waitFor();
      await assertAccessible(page, 'closed');
      await ada.open();
      await assertAccessible(page, 'open');
      const box = await ada.part('panel').boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= width && box.y + box.height <= height, JSON.stringify(box));
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is too wide');
      // Side by side where there is room. A click on the one bell would close the other.
      const grace = bellOf(page, 'grace');
      if (width > 1_000) await grace.bell.evaluate((bell) => (bell.open = true));
      if (width > 1_000) await grace.part('entry-button').first().waitFor();
      await screenshot(page, `bell-${width}-${colorScheme}`);
    });
  }
}

test('it speaks German, and runs from right to left', { skip }, async () => {
  const page = await openDemo(await openProfile());
  const ada = bellOf(page, 'ada');
  await page.evaluate(() => (document.documentElement.lang = 'de'));
  await ada.open();
  await ada.bell.getByRole('button', { name: 'Alle als gelesen markieren' }).waitFor();
  await ada.bell.evaluate((bell) => (bell.texts = { markAllRead: 'Fertig' }));
  await ada.bell.getByRole('button', { name: 'Fertig', exact: true }).waitFor();
  await page.evaluate(() => (document.documentElement.dir = 'rtl'));
  const [button, panel] = [await ada.part('bell').boundingBox(), await ada.part('panel').boundingBox()];
  // The panel begins where the bell ends, on the other side now.
  assert.ok(Math.abs(button.x - panel.x) < 2, JSON.stringify([button, panel]));
  await assertAccessible(page, 'German, from right to left');
});

test('the keyboard is enough', { skip }, async () => {
  const page = await openDemo(await openProfile());
  const ada = bellOf(page, 'ada');
  await ada.part('badge').filter({ hasText: /^\d+$/ }).waitFor();
  const focused = () =>
    page.evaluate(() => {
      let element = document.activeElement;
      while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
      return element.getAttribute('aria-label') ?? element.getAttribute('part') ?? element.textContent;
    });
  await ada.part('bell').focus();
  await page.keyboard.press('Enter');
  await ada.part('entry-button').first().waitFor();
  assert.equal(await focused(), 'panel');
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Close');
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowRight');
  await ada.entry('SO-1001 is on its way').waitFor();
  await page.keyboard.press('ArrowLeft');
  await ada.entry('demo event 50)').waitFor();
  for (const _ of 'filter, all, entry'.split(',')) await page.keyboard.press('Tab');
  assert.equal(await focused(), 'entry-button');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Tab');
  assert.match(await focused(), /^Mark as (un)?read: .*\(demo event 49\)$/);
  await page.keyboard.press('Escape');
  await ada.part('panel').waitFor({ state: 'hidden' });
  assert.match(await focused(), /^Notifications, \d+ unread$/);
});

test('an empty list and a list that cannot be loaded say so', { skip }, async () => {
  const profile = await openProfile();
  const page = await openDemo(profile);
  const grace = bellOf(page, 'grace');
  await grace.count();
  await profile.route('**/v1/system-events?*', (route) => route.abort());
  await grace.part('bell').click();
  await grace.part('retry').waitFor();
  await assertAccessible(page, 'with an error');
  await profile.unroute('**/v1/system-events?*');
  await grace.part('retry').click();
  await grace.part('entry-button').first().waitFor();
  await grace.bell.getByRole('tab').nth(1).click();
  await grace.part('hint').filter({ hasText: 'Nothing has happened yet' }).waitFor();
  await assertAccessible(page, 'empty');
});
