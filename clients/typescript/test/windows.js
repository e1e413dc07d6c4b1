/** Windows of a real Chromium. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

import { chromium } from 'playwright-core';

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome'];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WAIT_MS = 15_000;

const command = BROWSERS.map(whereIs).find(Boolean);
export const skip = command || process.env.READSTATE_REQUIRE_CHROMIUM ? false : 'no Chromium is installed';

function whereIs(name) {
  try {
    return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}

export async function launch() {
  assert.ok(command, 'no Chromium is installed');
  // Containers do not give the rights that the sandbox needs. The pages are ours, so they need no sandbox.
  const args = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
  return await chromium.launch({ executablePath: command, args });
}

/** Opens a window of a browser profile. It fails the test on what the page's policy refuses, and on errors. */
export async function openWindow(profile, url) {
  const page = await profile.newPage();
  page.setDefaultTimeout(WAIT_MS);
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|TrustedHTML/i.test(message.text())) page.faults.push(message.text());
  });
  await page.goto(url);
  return page;
}

/** What a test does with the bell of a user on a page. */
export function bellOf(page, user) {
  const bell = page.locator(`[data-user=${user}] readstate-bell`);
  const part = (name) => bell.locator(`[part~=${name}]`);
  const unread = async (count) => await part('badge').filter({ hasText: new RegExp(`^${count}$`) }).waitFor();
  return {
    bell,
    part,
    /** Waits until the bell shows this number. */
    unread,
    /** Waits until the bell shows a number, and returns it. */
    async count() {
      await part('badge').filter({ hasText: /^\d+$/ }).waitFor();
      return Number(await part('badge').textContent());
    },
    /** Waits until the page says this about the connection. */
    status: async (pattern) => await page.locator(`[data-user=${user}] .state`).filter({ hasText: pattern }).waitFor(),
    entries: bell.locator('li'),
    entry: (title) => bell.locator('li', { hasText: title }),
    isUnread: async (title) => (await bell.locator('li', { hasText: title }).getAttribute('data-unread')) !== null,
    async open() {
      await part('bell').click();
      await part('entry-button').first().waitFor();
    },
  };
}

/** Fails if axe-core finds a violation. */
export async function assertAccessible(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
  assert.deepEqual(found, [], what);
}

/** Waits until a function of the test returns something true. */
export async function eventually(isSo, what) {
  for (const start = Date.now(); Date.now() < start + WAIT_MS; await sleep(50)) {
    if (await isSo()) return;
  }
  assert.fail(what);
}
