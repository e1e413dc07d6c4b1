/** The package that users install. */

import assert from 'node:assert/strict';
import { copyFile, readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';

import { CHECKOUT, createApplication, run } from './application.js';
import { startStack } from './stack.js';

let application;
/** The paths of all files in the package. */
let files;

before(async () => {
  application = await createApplication();
  const entries = await readdir(application.package, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  files = paths.map((path) => relative(application.package, path));
});
after(() => application?.remove());

const read = (path) => readFile(join(application.package, path), 'utf8');

// ── Contents ─────────────────────────────────────────────────────────────────────────────────────────────────────────

test('the package holds its licence, its documentation, and code with its types and sources', () => {
  for (const path of ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts', 'src/index.ts']) {
    assert.ok(files.includes(path), path);
  }
  assert.deepEqual(files.filter((path) => !/^(LICENSE|README\.md|package\.json|(dist|src)\/.+)$/.test(path)), []);
});

test('every file that package.json names is in the package', async () => {
  const { main, types, exports, typesVersions } = JSON.parse(await read('package.json'));
  const named = [main, types, ...JSON.stringify([exports, typesVersions]).match(/\.\/dist[^"]+/g)];
  assert.equal(named.length, 22);
  assert.deepEqual(named.filter((path) => !files.includes(path.slice('./'.length))), []);
});

test('the package needs no other, and knows React if it is there', async () => {
  const { dependencies, optionalDependencies, ...others } = JSON.parse(await read('package.json'));
  assert.deepEqual([dependencies, optionalDependencies], [undefined, undefined]);
  assert.deepEqual(Object.keys(others.peerDependencies), ['react']);
  assert.equal(others.peerDependenciesMeta.react.optional, true);
});

test('debuggers and editors find the sources', async () => {
  const maps = files.filter((path) => path.endsWith('.map'));
  assert.ok(maps.includes('dist/index.js.map') && maps.includes('dist/cjs/index.d.ts.map'));
  for (const map of maps) {
    const { sources } = JSON.parse(await read(map));
    for (const source of sources) assert.ok(files.includes(join(dirname(map), source)), `${map}: ${source}`);
  }
});

test("the licence is the project's", async () => {
  const [ours, theirs] = await Promise.all(['LICENSE', '../../LICENSE'].map((path) => readFile(join(CHECKOUT, path))));
  assert.ok(ours.equals(theirs));
});

test('the documentation leads to no file that is not in the package', async () => {
  const links = [...(await read('README.md')).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link);
  assert.deepEqual(links.filter((link) => !/^(https:|#)/.test(link)), []);
});

// ── Loading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const IMPORT = "import { BadRequestError, ReadState } from '@readstate/client';";
const REQUIRE = "const { BadRequestError, ReadState } = require('@readstate/client');";

/** Marks events, and prints the results. */
const PROGRAM = `
  (async () => {
    const [baseUrl, token] = process.argv.slice(2);
    const readstate = new ReadState({ baseUrl, token });
    const seen = [await readstate.markSystemEventAsRead([1, 2]), await readstate.markSystemEventAsUnread(1)];
    const error = await readstate.markSystemEventAsRead([]).catch((error) => error);
    console.log(JSON.stringify([...seen, error instanceof BadRequestError, error.message]));
  })();`;

test('programs in CommonJS and in ES modules mark events', async () => {
  const stack = await startStack();
  try {
    const expected = [{ success: true }, { success: true }, true, 'Missing or invalid id or ids'];
    const token = await stack.token('ada');
    for (const [name, first] of [['program.cjs', REQUIRE], ['program.mjs', IMPORT]]) {
      const seen = await application.output(name, first + PROGRAM, stack.url, token);
      assert.deepEqual(JSON.parse(seen), expected, name);
    }
  } finally {
    await stack.stop();
  }
});

test('in one program `import` and `require` give the same classes', async () => {
  const source = `
    import * as imported from '@readstate/client';
    import { createRequire } from 'node:module';
    const required = createRequire(import.meta.url)('@readstate/client');
    const different = Object.keys(required).filter((name) => imported[name] !== required[name]);
    console.log(Object.keys(required).length, different.join());`;
  const names = Object.keys(await import('../dist/index.js'));
  assert.equal(await application.output('both.mjs', source), `${names.length}`);
});

test('a tool that knows only `main` finds the same module', async () => {
  const source = "console.log(require('./node_modules/@readstate/client') === require('@readstate/client'));";
  assert.equal(await application.output('main.cjs', source), 'true');
});

// ── Compiling ────────────────────────────────────────────────────────────────────────────────────────────────────────

const COMPILED = {
  'node10': ['typescript', '--module commonjs --moduleResolution node10 --ignoreDeprecations 6.0 types.ts'],
  'node16, from CommonJS and ES modules': ['typescript', '--module node16 types.cts types.mts'],
  'bundler': ['typescript', '--module esnext --moduleResolution bundler types.ts'],
  'node, as the oldest compiler has it': ['typescript-4.7', '--module commonjs --moduleResolution node types.ts'],
};
const STRICT = '--noEmit --strict --exactOptionalPropertyTypes --skipDefaultLibCheck --target es2022 --lib es2022,dom';

for (const [resolution, [compiler, options]] of Object.entries(COMPILED)) {
  test(`a compiler accepts and refuses what it must, with the module resolution ${resolution}`, async () => {
    for (const ending of ['ts', 'cts', 'mts']) {
      await copyFile(join(CHECKOUT, 'test', 'types.ts'), join(application.folder, `types.${ending}`));
    }
    const tsc = join(CHECKOUT, 'node_modules', compiler, 'bin', 'tsc');
    const args = [tsc, ...`${STRICT} ${options}`.split(' ')];
    assert.equal(await run(process.execPath, args, application.folder), '');
  });
}
