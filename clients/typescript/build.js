/** Makes dist from src: ES modules for browsers and bundlers, and CommonJS for Node in dist/cjs. */

import { execSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

const TSC = 'node_modules/typescript/bin/tsc';

function run(command) {
  // `npm pack` prints the name of its file to stdout, so stdout is not ours.
  execSync(command, { stdio: ['ignore', process.stderr, process.stderr] });
}

// In a fresh clone `npm pack` comes here before `npm ci`. Its `--dry-run` and `--omit` reach this `npm ci` too.
if (!existsSync(TSC)) run('npm ci --prefer-offline --include=dev --no-dry-run');
rmSync('dist', { recursive: true, force: true });
run(`node ${TSC}`);
run(`node ${TSC} --project tsconfig.cjs.json`);
// The package is of ES modules. The nearest package.json says what a file is.
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n');
