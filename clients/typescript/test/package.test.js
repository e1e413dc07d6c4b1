/** What a user gets from npm. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('..', import.meta.url));

function packed() {
  // The build is there already, and another one would take it from under the other tests.
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const [{ files }] = JSON.parse(execFileSync('npm', args, { cwd: FOLDER, encoding: 'utf8' }));
  return files.map(({ path }) => path);
}

test('the package holds its licence, its documentation, and code with its types and sources', () => {
  const paths = packed();
  for (const path of ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts', 'src/index.ts']) {
    assert.ok(paths.includes(path), path);
  }
  assert.deepEqual(paths.filter((path) => !/^(LICENSE|README\.md|package\.json|(dist|src)\/.+)$/.test(path)), []);
});

test("the licence is the project's", async () => {
  const [ours, theirs] = await Promise.all(['LICENSE', '../../LICENSE'].map((path) => readFile(`${FOLDER}/${path}`)));
  assert.ok(ours.equals(theirs));
});

test('the documentation leads to no file that is not in the package', async () => {
  const text = await readFile(`${FOLDER}/README.md`, 'utf8');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link);
  assert.deepEqual(links.filter((link) => !/^(https:|#)/.test(link)), []);
});
