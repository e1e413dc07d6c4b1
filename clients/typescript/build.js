/** Builds dist from src. Browsers and bundlers get the ES modules in dist. Node gets the CommonJS in dist/cjs. */

import { execSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

const TSC = 'node_modules/typescript/bin/tsc';

function run(command) {
  // `npm pack` prints the name of its file to stdout. So nothing else may go there.
  execSync(command, { stdio: ['ignore', process.stderr, process.stderr] });
}

// In a fresh clone `npm pack` comes before `npm ci`. The inner npm gets `--dry-run` and `--omit` from the outer one.
if (!existsSync(TSC)) run('npm ci --prefer-offline --include=dev --no-dry-run');
rmSync('dist', { recursive: true, force: true });
run(`node ${TSC}`);
run(`node ${TSC} --project tsconfig.cjs.json`);
// Node reads the kind of a module from the nearest package.json. That of the package says ES modules.
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n');
