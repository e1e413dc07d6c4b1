/** An application with the package. `npm pack` makes the package in a clean checkout, as a user does. */

import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const CHECKOUT = fileURLToPath(new URL('..', import.meta.url));

/** Commands make these folders. A clean checkout has none of them. */
const MADE = new Set(['node_modules', 'dist']);

export async function createApplication() {
  const home = await mkdtemp(join(tmpdir(), 'readstate-ts-package-'));
  const [clean, folder] = [join(home, 'checkout'), join(home, 'application')];
  try {
    await cp(CHECKOUT, clean, { recursive: true, filter: (path) => !MADE.has(basename(path)) });
    await run('npm', ['pack', '--pack-destination', home], clean);
    await mkdir(folder);
    await writeFile(join(folder, 'package.json'), '{ "private": true }');
    const [tarball] = (await readdir(home)).filter((name) => name.endsWith('.tgz'));
    // The package needs no other package, so npm needs no network.
    await run('npm', ['install', '--offline', join(home, tarball)], folder);
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
  return {
    folder,
    package: join(folder, 'node_modules', '@readstate', 'client'),
    /** Runs a program of the application, and returns its output. */
    async output(name, source, ...args) {
      await writeFile(join(folder, name), source);
      return (await run(process.execPath, [name, ...args], folder)).trim();
    },
    remove: () => rm(home, { recursive: true, force: true }),
  };
}

/** Runs a command, and returns its stdout. If the command fails, the error holds all its output. */
export async function run(command, args, cwd) {
  try {
    return (await promisify(execFile)(command, args, { cwd })).stdout;
  } catch (error) {
    throw new Error([error.message, error.stdout, error.stderr].join('\n'), { cause: error });
  }
}
