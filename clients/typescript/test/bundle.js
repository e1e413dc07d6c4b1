/** Bundles a part of dist as an application would, minified, and tells its size. */

import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

/** Returns the minified text of a module that exports these names of a file in dist. */
export async function bundled(file, names) {
  const { outputFiles } = await build({
    stdin: { contents: `export { ${names} } from '../dist/${file}';`, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
  });
  return outputFiles[0].text;
}

export const gzipped = (text) => gzipSync(text, { level: 9 }).length;
