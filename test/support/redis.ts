/** Real Redis (or Valkey) servers for tests: each with its own port and folder, none outlives the test process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { diesWithUs, ended } from './child.js';
import { poll } from './poll.js';
import { makeTempDir, removeDir } from './temp-dir.js';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Where it keeps its files. With it and the port, a server that was killed can be started again. */
  readonly directory: string;
  /** SIGKILL, and its folder removed if it was made for it. May be called twice. */
  stop(): Promise<void>;
  /** Resolves when the process has ended, for the signals that end it; at once for the others (SIGSTOP, SIGCONT). */
  kill(signal: NodeJS.Signals): Promise<void>;
}

const LOG = 'server.log';
const PORT_TRIES = 10;
const ENDING: readonly NodeJS.Signals[] = ['SIGKILL', 'SIGTERM', 'SIGINT'];

/**
 * Starts a server without persistence, and waits until it answers. `args` are its own: `['--appendonly', 'yes']`; a
 * configuration file comes first. `port` and `directory` are for starting one again after `kill`.
 */
export async function startRedis(args: readonly string[] = [], options: { port?: number; directory?: string } = {}): Promise<RedisServer> {
  const directory = options.directory ?? (await makeTempDir());
  for (let tries = 1; ; tries++) {
    // Between our look and the server's start another process can take the port; then the server ends, and we try the next.
    const port = options.port ?? (await freePort());
    const child = spawn(serverPath(), serverArgs(args, port, directory), { stdio: 'ignore' });
    const pid = diesWithUs(child, options.directory === undefined ? directory : '');
    child.unref();
    if (await answers(child, port)) {
      const stop = async (): Promise<void> => {
        child.kill('SIGKILL');
        await ended(child);
        if (options.directory === undefined) await removeDir(directory);
      };
      const kill = async (signal: NodeJS.Signals): Promise<void> => {
        child.kill(signal);
        if (ENDING.includes(signal)) await ended(child);
      };
      return { url: `redis://127.0.0.1:${port}`, port, pid, directory, stop, kill };
    }
    if (tries === PORT_TRIES || options.port !== undefined) {
      const log = await readFile(path.join(directory, LOG), 'utf8').catch(() => '(no log)');
      if (options.directory === undefined) await removeDir(directory);
      throw new Error(`the Redis server on port ${port} ended as it started:\n${log.slice(-2000)}`);
    }
  }
}

/** A port of 127.0.0.1 on which nobody listens now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function serverArgs(args: readonly string[], port: number, directory: string): string[] {
  const hasFile = args[0] !== undefined && !args[0].startsWith('-');
  const [file, own] = hasFile ? [args.slice(0, 1), args.slice(1)] : [[], args];
  const defaults = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--logfile', LOG, '--daemonize', 'no'];
  // A sentinel has no data and knows no options about them.
  if (!args.includes('--sentinel')) defaults.push('--save', '', '--appendonly', 'no');
  return [...file, ...defaults, ...own];
}

function serverPath(): string {
  for (const name of ['redis-server', 'valkey-server']) {
    for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
      const file = path.join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        continue;
      }
    }
  }
  throw new Error('the tests need redis-server or valkey-server on the PATH; npm test installs one where it may');
}

/** True when it answers; false when it ended instead. */
function answers(child: ChildProcess, port: number): Promise<boolean> {
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return poll('an answer of the Redis server', async () => {
    if (hasEnded()) return { up: false };
    const reply = await ask(port, 'PING\r\nINFO server\r\n');
    // Another server may have got this port: the process id tells. One that wants a password or TLS does not say it.
    const up = reply.startsWith('-NOAUTH') || (reply.startsWith('+PONG') && reply.includes(`process_id:${child.pid}\r\n`));
    return up && { up };
  }).then(({ up }) => up);
}

/** What the server says within a moment; '' where nobody listens. */
function ask(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let reply = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    const finish = (): void => {
      socket.destroy();
      resolve(reply);
    };
    socket.setTimeout(1000, finish);
    socket.on('error', finish);
    socket.on('close', finish);
    socket.on('data', (bytes) => {
      reply += bytes.toString('latin1');
      if (reply.startsWith('-') || /process_id:\d+\r\n/.test(reply)) finish();
    });
  });
}
