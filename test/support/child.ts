/**
 * Processes of tests: none outlives the test process, however that ends. A watcher holds the reading end of a pipe;
 * when the test process is gone, even by SIGKILL, the pipe ends and the watcher kills the child.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { StringDecoder } from 'node:string_decoder';

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A node process whose output can be read and waited for. */
export interface TestChild {
  readonly pid: number;
  /** Settles when the process has ended and its output is complete. */
  readonly exited: Promise<Exit>;
  /** What it has written so far, to stdout and stderr. */
  output(): string;
  stdout(): string;
  stderr(): string;
  /** Resolves when the output matches, from now on or already. Rejects, with the output, when the process ends before. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
  /** Does nothing once it has ended. */
  kill(signal: NodeJS.Signals): void;
  /** SIGKILL, and the end. */
  stop(): Promise<Exit>;
}

/** Starts `node ...args`. `env` is added to the environment of the test. */
export function startNode(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): TestChild {
  const child = spawn(process.execPath, args, {
    cwd: options.cwd,
    env: { ...withoutRunner(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pid = diesWithUs(child);
  const texts = { stdout: '', stderr: '', both: '' };
  const waiting = new Set<() => void>();
  const look = (): void => waiting.forEach((check) => check());
  for (const name of ['stdout', 'stderr'] as const) {
    const decoder = new StringDecoder('utf8');
    child[name].on('data', (bytes: Buffer) => {
      const text = decoder.write(bytes);
      texts[name] += text;
      texts.both += text;
      look();
    });
  }
  let ended: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => {
      ended = { code, signal };
      resolve(ended);
      look();
    });
  });
  return {
    pid,
    exited,
    output: () => texts.both,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    kill: (signal) => void child.kill(signal),
    stop() {
      child.kill('SIGKILL');
      return exited;
    },
    waitFor(pattern) {
      return new Promise((resolve, reject) => {
        const check = (): void => {
          const match = pattern.exec(texts.both);
          if (match === null && ended === undefined) return;
          waiting.delete(check);
          if (match !== null) resolve(match);
          else reject(new Error(`process ${pid} ended (${ended?.signal ?? ended?.code}) before it wrote ${pattern}:\n${texts.both}`));
        };
        waiting.add(check);
        check();
      });
    },
  };
}

/** Binds the life of a child, and of a folder, to that of this process. Gives the child's id. */
export function diesWithUs(child: ChildProcess, folder = ''): number {
  const { pid } = child;
  if (pid === undefined) throw new Error(`${child.spawnfile} could not be started`);
  // In a session of its own: Ctrl-C in the terminal must not end the watcher before its work is done.
  const watcher = spawn('sh', ['-c', 'read -r _; kill -9 "$0" 2>/dev/null; test -z "$1" || rm -rf "$1"', String(pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watcher.unref();
  (watcher.stdin as unknown as { unref(): void }).unref();
  // The id of a process that has ended may soon be another's.
  child.once('exit', () => watcher.kill('SIGKILL'));
  return pid;
}

/** Resolves when the child has ended. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // One that does not keep this process alive would let it end before it has ended itself.
  child.ref();
  await once(child, 'exit');
}

/** Without what node's test runner tells its own children: with it they would report in its binary format. */
function withoutRunner(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return env;
}
