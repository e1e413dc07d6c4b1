/** Writes the bundle of the demo page, which `make run` serves: a newcomer needs Python, and no Node. */

import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

export const DEMO_BUNDLE = fileURLToPath(new URL('../../src/readstate/dev/demo_page/readstate.js', import.meta.url));

/** Returns the client, the inbox and the bell as one minified module. */
export async function demoBundle() {
  const { outputFiles } = await build({
    stdin: {
      contents: `export * from './dist/index.js'; export * from './dist/bell.js';`,
      resolveDir: import.meta.dirname,
    },
    banner: { js: '// Made of clients/typescript by `npm run demo`.' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  return outputFiles[0].text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(DEMO_BUNDLE, await demoBundle());
