/** Starts the real service with `readstate dev`, in its own folder. `readstate` must be on PATH. */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const START_MS = 90_000;
const STOP_MS = 15_000;

/** Starts PostgreSQL with demo data, the server and the gateway. `settings` are environment variables. */
export async function startStack(settings = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'readstate-ts-'));
  const [grpc, admin, rest, gatewayAdmin] = await freeAddresses(4);
  const all = {
    READSTATE_LISTEN: grpc,
    READSTATE_ADMIN_LISTEN: admin,
    READSTATE_GATEWAY_LISTEN: rest,
    READSTATE_GATEWAY_ADMIN_LISTEN: gatewayAdmin,
    ...settings,
  };
  let service = run(folder, ['dev'], all);
  const stop = async () => {
    await service.stop();
    await removeData(folder);
  };
  await service.ready(`http://${gatewayAdmin}/readyz`).catch(async (error) => {
    await stop();
    throw error;
  });
  return {
    url: `http://${rest}`,
    /** Where the server is, for a gateway of one's own. */
    upstream: grpc,
    /** Kills everything at once. */
    kill: () => service.kill(),
    /** Starts again what was killed, with the same addresses and data. */
    async start() {
      service = run(folder, ['dev'], all);
      await service.ready(`http://${gatewayAdmin}/readyz`);
    },
    /** Returns a token. `more` are further options of `readstate token`. */
    token: async (user, ...more) => {
      const options = { cwd: folder, env: environment({}) };
      const { stdout } = await promisify(execFile)('readstate', ['token', '--user', user, ...more], options);
      return stdout.trim();
    },
    stop,
  };
}

/** Starts a gateway without a server. */
export async function startLonelyGateway() {
  const [nobody] = await freeAddresses(1);
  return await startGateway(nobody);
}

/** Starts a gateway of its own for a server. */
export async function startGateway(upstream) {
  const [rest, admin] = await freeAddresses(2);
  const service = run(tmpdir(), ['gateway'], {
    READSTATE_UPSTREAM: upstream,
    READSTATE_DRAIN_DELAY: '0',
    READSTATE_GATEWAY_LISTEN: rest,
    READSTATE_GATEWAY_ADMIN_LISTEN: admin,
  });
  await service.ready(`http://${admin}/livez`);
  return { url: `http://${rest}`, stop: service.stop };
}

/** Returns the addresses of free ports, as `HOST:PORT`. */
export async function freeAddresses(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const addresses = servers.map((server) => `127.0.0.1:${server.address().port}`);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return addresses;
}

function run(cwd, args, settings) {
  const child = spawn('readstate', args, { cwd, env: environment(settings), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    // The end of the output says why the service did not start.
    stream.setEncoding('utf8').on('data', (text) => (output = (output + text).slice(-10_000)));
  }
  let ended = null;
  const end = new Promise((resolve) => {
    child.on('error', (error) => resolve((ended = `readstate cannot be run, is it on PATH? ${error.message}`)));
    child.on('close', (code, signal) => resolve((ended ??= `readstate ${args} ended: ${signal ?? code}\n${output}`)));
  });
  return {
    async ready(probe) {
      for (const start = Date.now(); Date.now() < start + START_MS; await sleep(50)) {
        if (ended !== null) throw new Error(ended);
        const answer = await fetch(probe, { signal: AbortSignal.timeout(2_000) }).catch(() => null);
        if (answer?.ok) return;
      }
      await this.stop();
      throw new Error(`readstate ${args} was not ready after ${START_MS} ms\n${output}`);
    },
    async kill() {
      child.kill('SIGKILL');
      await end;
    },
    async stop() {
      if (ended !== null) return;
      child.kill('SIGTERM');
      if (await Promise.race([end, sleep(STOP_MS, null, { ref: false })])) return;
      child.kill('SIGKILL');
      throw new Error(`readstate ${args} had to be killed\n${output}`);
    },
  };
}

/** Returns the environment with these settings, and without those of another readstate. */
function environment(settings) {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('READSTATE_'));
  return { ...Object.fromEntries(others), ...settings };
}

/** Removes the folder. For root, `dev` puts the database elsewhere, and writes its name into the folder. */
async function removeData(folder) {
  const name = await readFile(join(folder, '.readstate', 'postgres-name'), 'utf8').catch(() => '');
  if (/^[0-9a-z]+$/.test(name)) {
    await rm(join('/var/lib/readstate-dev', name), { recursive: true, force: true });
    await rm(join('/var/lib/readstate-dev', `${name}.lock`), { force: true });
  }
  await rm(folder, { recursive: true, force: true });
}
