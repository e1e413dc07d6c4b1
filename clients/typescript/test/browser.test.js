/** Loads the built files into a browser without a bundler. The page and the gateway have different origins. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { startStack } from './stack.js';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome'];
const REPORT_MS = 60_000;

const browser = BROWSERS.find(isInstalled);
const skip = browser || process.env.READSTATE_REQUIRE_CHROMIUM ? false : 'no Chromium is installed';

/** The page calls the gateway, and reports the results to its own server. */
const PAGE = `<!doctype html><script type="module">
  const report = (seen) => fetch('/report', { method: 'POST', body: JSON.stringify(seen) });
  try {
    const { ReadState } = await import('/dist/index.js');
    const { baseUrl, token } = await (await fetch('/settings')).json();
    const readstate = new ReadState({ baseUrl, token });
    const seen = [await readstate.markSystemEventAsRead([1, 2]), await readstate.markSystemEventAsUnread(1)];
    const error = await readstate.markSystemEventAsRead([]).catch((error) => error);
    seen.push([error.name, error.message, typeof error.requestId]);
    const stranger = new ReadState({ baseUrl, token: 'a.b.c' });
    seen.push((await stranger.markSystemEventAsRead(1).catch((error) => error)).name);
    const sameOrigin = new ReadState({ baseUrl: '/nothing/here', token });
    seen.push((await sameOrigin.markSystemEventAsRead(1).catch((error) => error)).name);
    await report(seen);
  } catch (error) {
    await report(String(error.stack ?? error));
  }
</script>`;

let site;
let origin;
let stack;
let report;

before(async () => {
  if (skip) return;
  site = createServer(serve).listen(0, '127.0.0.1');
  await once(site, 'listening');
  origin = `http://127.0.0.1:${site.address().port}`;
  stack = await startStack({ READSTATE_CORS_ORIGINS: origin });
});
after(async () => {
  site?.closeAllConnections();
  site?.close();
  await stack?.stop();
});

async function serve(request, response) {
  const file = /^\/dist\/((?:inbox\/)?[\w.-]+\.js)$/.exec(request.url)?.[1];
  if (file) {
    response.setHeader('content-type', 'text/javascript').end(await readFile(join(DIST, file)));
  } else if (request.url === '/settings') {
    response.end(JSON.stringify({ baseUrl: stack.url, token: await stack.token('ada') }));
  } else if (request.url === '/report') {
    const chunks = await request.setEncoding('utf8').toArray();
    report(JSON.parse(chunks.join('')));
    response.end();
  } else if (request.url === '/') {
    response.setHeader('content-type', 'text/html').end(PAGE);
  } else {
    response.writeHead(404).end('{}');
  }
}

test('the built files import only one another', async () => {
  const files = (await readdir(DIST, { recursive: true })).filter((name) => name.endsWith('.js'));
  // The wrapper for React imports React.
  for (const name of files.filter((name) => !name.startsWith('cjs') && name !== 'react.js')) {
    const source = await readFile(join(DIST, name), 'utf8');
    const imported = [...source.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"]+)['"]/g)].map(([, path]) => path);
    assert.deepEqual(imported.filter((path) => !/^\.\.?\/([\w-]+\/)?[\w-]+\.js$/.test(path)), [], name);
  }
});

test('a page of another origin marks events and reads errors', { skip }, async () => {
  assert.ok(browser, 'no Chromium is installed');
  const reported = new Promise((resolve) => (report = resolve));
  const profile = await mkdtemp(join(tmpdir(), 'readstate-ts-browser-'));
  // Containers do not give the rights that the sandbox needs. The page is ours, so it needs no sandbox.
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'];
  const child = spawn(browser, [...flags, `--user-data-dir=${profile}`, origin], { stdio: 'ignore' });
  const late = setTimeout(() => report('the page has not reported'), REPORT_MS);
  try {
    const done = { success: true };
    const refusal = ['BadRequestError', 'Missing or invalid id or ids', 'string'];
    assert.deepEqual(await reported, [done, done, refusal, 'UnauthorizedError', 'NotFoundError']);
  } finally {
    clearTimeout(late);
    child.kill('SIGKILL');
    await once(child, 'close');
    await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
});

function isInstalled(command) {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
