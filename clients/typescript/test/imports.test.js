/** The imports between the files in src. An import of a type counts as well, because it ties two files together. */

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { test } from 'node:test';

import ts from 'typescript';

const SRC = new URL('../src/', import.meta.url);

/** Returns the files that a file imports. All paths are relative to src. */
function imported(file, source) {
  const paths = ts.preProcessFile(source).importedFiles.map(({ fileName }) => fileName);
  return paths.map((path) => posix.join(posix.dirname(file), path).replace(/\.js$/, '.ts'));
}

/** Returns the imports of each file in src. */
async function importsOfSrc() {
  const files = (await readdir(SRC, { recursive: true })).filter((path) => path.endsWith('.ts'));
  const read = async (file) => [file, imported(file, await readFile(new URL(file, SRC), 'utf8'))];
  return new Map(await Promise.all(files.map(read)));
}

/** Returns the first circle, as a path that ends where it begins. Returns null if there is no circle. */
function circle(imports) {
  const done = new Set();
  const visit = (file, path) => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    done.add(file);
    return firstOf(imports.get(file) ?? [], (next) => visit(next, [...path, file]));
  };
  return firstOf(imports.keys(), (file) => visit(file, []));
}

function firstOf(items, find) {
  for (const item of items) {
    const found = find(item);
    if (found) return found;
  }
  return null;
}

test('the files import one another in no circle', async () => {
  assert.deepEqual(circle(await importsOfSrc()), null);
});

test('every import leads to a file in src', async () => {
  const imports = await importsOfSrc();
  assert.ok(imports.get('index.ts')?.includes('client.ts'));
  for (const [file, others] of imports) {
    for (const other of others) {
      const isReact = file === 'react.ts' && other === 'react';
      assert.ok(isReact || imports.has(other), `${file} imports ${other}`);
    }
  }
});

test('a circle of types is found, in folders and behind other files too', () => {
  const sources = {
    'a.ts': "export * from './b.js';",
    'b.ts': "import { type C } from './folder/c.js';",
    'folder/c.ts': "import type { D } from './d.js';",
    'folder/d.ts': "export type B = import('../b.js').B;",
  };
  const imports = new Map(Object.entries(sources).map(([file, source]) => [file, imported(file, source)]));
  assert.deepEqual(circle(imports), ['b.ts', 'folder/c.ts', 'folder/d.ts', 'b.ts']);
});

test('two ways to one file are not a circle', () => {
  const sources = { a: ['b', 'c'], b: ['d'], c: ['d'], d: [] };
  assert.equal(circle(new Map(Object.entries(sources))), null);
});
