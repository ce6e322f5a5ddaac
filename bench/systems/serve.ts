/** The other end of the harness's calls, in the process of a system. It ends with the harness. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { CallName, Handlers, Reply, Request, SystemCalls } from './protocol.js';

export type OwnHandlers = Partial<Omit<Handlers, 'facts' | 'resetDelay'>>;

/**
 * What is measured is the time between two ticks of a timer of so long; the rest of it is the delay. Ten times as many ticks take 3 % of a
 * core from the tasks of a drain.
 */
const RESOLUTION_MS = 10;

/** Answers until the harness is gone. What a system has no handler for is refused. */
export function serve(handlers: OwnHandlers): void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const all: Partial<Handlers> = {
    ...handlers,
    async consume(argument) {
      await handlers.consume?.(argument);
      delay.enable();
    },
    async facts(): Promise<SystemCalls['facts']['reply']> {
      const delayMs = (ns: number): number => Math.max(0, ns / 1e6 - RESOLUTION_MS);
      return {
        rssBytes: process.memoryUsage.rss(),
        loopDelayP50Ms: delayMs(delay.percentile(50)),
        loopDelayP99Ms: delayMs(delay.percentile(99)),
        loopDelayMaxMs: delayMs(delay.max),
      };
    },
    async resetDelay() {
      delay.reset();
    },
  };
  process.on('message', (request: Request) => void answer(all, request));
  process.on('disconnect', () => process.exit(0));
}

async function answer(handlers: Partial<Handlers>, { id, name, argument }: Request): Promise<void> {
  let reply: Reply;
  try {
    const handler = handlers[name] as ((argument: unknown) => Promise<SystemCalls[CallName]['reply']>) | undefined;
    if (handler === undefined) throw new Error(`this system has no "${name}"`);
    reply = { id, value: await handler(argument) };
  } catch (error) {
    reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  // A harness that is gone needs no answer.
  process.send?.(reply, () => undefined);
}
