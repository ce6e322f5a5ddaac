/** A system in a process of its own, as the harness sees it. Whatever happens to the harness, none outlives it. */
import { fork, type ChildProcess } from 'node:child_process';
import { diesWithUs, ended } from '../test/support/child.js';
import type { CallName, Reply, Request, SystemCalls } from './systems/protocol.js';

const CALL_DEADLINE_MS = 10 * 60_000;
const STOP_DEADLINE_MS = 15_000;
const STDERR_MAX_CHARS = 4000;

export class ChildSystem {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #what: string;
  #lastId = 0;
  #stderr = '';

  /** `entry` is one of bench/systems. */
  constructor(entry: URL, env: NodeJS.ProcessEnv) {
    this.#what = entry.pathname.split('/').at(-1) ?? 'system';
    this.#child = fork(entry, { env, execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    diesWithUs(this.#child);
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      this.#stderr = (this.#stderr + bytes.toString()).slice(-STDERR_MAX_CHARS);
    });
    this.#child.on('message', (reply: Reply) => this.#settle(reply));
    this.#child.on('error', (error) => this.#fail(error));
    this.#child.once('exit', (code, signal) => this.#fail(new Error(`${this.#what} ended (${signal ?? code}):\n${this.#stderr}`)));
  }

  async call<K extends CallName>(name: K, argument: SystemCalls[K]['argument']): Promise<SystemCalls[K]['reply']> {
    const id = ++this.#lastId;
    const request: Request = { id, name, argument };
    const timer = setTimeout(
      () => this.#settle({ id, error: `${this.#what}: no answer to "${name}" in ${CALL_DEADLINE_MS} ms` }),
      CALL_DEADLINE_MS,
    );
    try {
      return (await new Promise<unknown>((resolve, reject) => {
        this.#pending.set(id, { resolve, reject });
        this.#child.send(request, (error) => {
          if (error) this.#settle({ id, error: `${this.#what}: ${error.message}\n${this.#stderr}` });
        });
      })) as SystemCalls[K]['reply'];
    } finally {
      clearTimeout(timer);
    }
  }

  /** In good order if it does so soon. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_DEADLINE_MS);
    try {
      if (this.#child.connected) await this.call('stop', undefined);
    } finally {
      clearTimeout(timer);
      await this.kill();
    }
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await ended(this.#child);
  }

  #settle(reply: Reply): void {
    const waiter = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ('error' in reply) waiter?.reject(new Error(reply.error));
    else waiter?.resolve(reply.value);
  }

  #fail(error: Error): void {
    for (const [, waiter] of this.#pending) waiter.reject(error);
    this.#pending.clear();
  }
}
