/**
 * A guarded actor: comlink over a MessagePort, and the only file that knows comlink. What comlink leaves open is
 * closed here:
 *  1. only listed methods can be called; comlink alone would reach constructors and prototypes of what is exposed;
 *  2. a call has a deadline, and fails when the port closes; comlink's call to a dead peer never settles;
 *  3. errors keep their class and code; comlink carries name, message and stack alone.
 */
import type { MessagePort } from 'node:worker_threads';
import { wrap, expose, type Endpoint } from 'comlink';
import { HueyException, StorageUnavailable } from './errors.js';
import { fromErrorData, toErrorData, type ErrorData } from './error-data.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- methods of every shape are exposed through here
export type ActorMethods = Record<string, (...args: any[]) => unknown>;

export type ActorRef<T> = {
  [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

/** The peer is gone, or did not answer in time. */
export class ActorUnreachable extends HueyException {
  constructor(message: string) {
    super(message, 'actor-unreachable');
  }
}

type Reply = { value: unknown } | { error: ErrorData };

export interface ConnectOptions<T> {
  /** For messages: who is called. */
  name: string;
  /** The methods that exist on the other side. */
  methods: readonly (keyof T & string)[];
  deadlineMs: number;
}

/** Calls the actor at the other end of the port. */
export function connectActor<T>(port: MessagePort, options: ConnectOptions<T>): ActorRef<T> {
  const remote = wrap<Record<string, (...args: unknown[]) => Promise<Reply>>>(endpoint(port));
  const pending = new Set<(error: Error) => void>();
  let closed = false;
  port.once('close', () => {
    closed = true;
    for (const reject of [...pending]) reject(new ActorUnreachable(`${options.name} is gone`));
  });

  const call = async (method: string, args: unknown[]): Promise<unknown> => {
    if (closed) throw new ActorUnreachable(`${options.name} is gone`);
    const reply = await new Promise<Reply>((resolve, reject) => {
      const fail = (error: Error): void => {
        clearTimeout(timer);
        pending.delete(fail);
        reject(error);
      };
      const timer = setTimeout(
        () =>
          fail(
            new StorageUnavailable(`${options.name} did not answer ${method} within ${options.deadlineMs / 1000} s`, {
              outcomeUnknown: true,
            }),
          ),
        options.deadlineMs,
      );
      pending.add(fail);
      const send = remote[method];
      if (send === undefined) return fail(new ActorUnreachable(`${options.name} has no ${method}`));
      send(...args).then((value) => {
        clearTimeout(timer);
        pending.delete(fail);
        resolve(value);
      }, fail);
    });
    if ('error' in reply) throw fromErrorData(reply.error);
    return reply.value;
  };
  const entries = options.methods.map((method) => [method, (...args: unknown[]) => call(method, args)] as const);
  return Object.fromEntries(entries) as ActorRef<T>;
}

/** Answers calls that come through the port, for these methods only. */
export function exposeActor(port: MessagePort, methods: ActorMethods): void {
  const guarded = Object.create(null) as Record<string, (...args: unknown[]) => Promise<Reply>>;
  for (const [name, method] of Object.entries(methods)) {
    guarded[name] = async (...args) => {
      try {
        return { value: await method(...args) };
      } catch (error) {
        return { error: toErrorData(error) };
      }
    };
  }
  const inner = endpoint(port);
  const listeners = new Map<unknown, (event: Event) => void>();
  expose(guarded, {
    ...inner,
    addEventListener: (type, listener) => {
      const filtered = (event: Event): void => {
        const { data } = event as unknown as { data: unknown };
        if (isListedCall(data, guarded)) {
          hear(listener, event);
        } else if (isRequest(data)) {
          const reply: Reply = { error: { name: 'ActorUnreachable', code: 'actor-refused', message: 'this actor has no such method' } };
          inner.postMessage({ id: data.id, type: 'RAW', value: reply });
        }
      };
      listeners.set(listener, filtered);
      inner.addEventListener(type, filtered);
    },
    removeEventListener: (type, listener) => inner.removeEventListener(type, listeners.get(listener) ?? listener),
  });
}

/** A MessagePort of Node as comlink wants it: comlink's own adapter comes without types. */
function endpoint(port: MessagePort): Endpoint {
  const listeners = new Map<unknown, (data: unknown) => void>();
  return {
    postMessage: (message, transfer) => port.postMessage(message, transfer as never),
    addEventListener: (_, listener) => {
      const receive = (data: unknown): void => {
        hear(listener, { data } as unknown as Event);
      };
      listeners.set(listener, receive);
      port.on('message', receive);
    },
    removeEventListener: (_, listener) => {
      const receive = listeners.get(listener);
      if (receive) port.off('message', receive);
      listeners.delete(listener);
    },
    start: () => port.start(),
  };
}

/** comlink names a type of the browser here that Node's types do not have; it is one of these two. */
function hear(listener: unknown, event: Event): void {
  if (typeof listener === 'function') (listener as (event: Event) => void)(event);
  else (listener as { handleEvent(event: Event): void }).handleEvent(event);
}

function isRequest(data: unknown): data is { id: string } {
  return typeof data === 'object' && data !== null && typeof (data as { id?: unknown }).id === 'string';
}

/** A plain call of one listed method with plain arguments; everything else that comlink knows is refused. */
function isListedCall(data: unknown, methods: object): boolean {
  if (!isRequest(data)) return false;
  const { type, path, argumentList } = data as { type?: unknown; path?: unknown; argumentList?: unknown };
  if (type !== 'APPLY' || !Array.isArray(path) || path.length !== 1 || !Array.isArray(argumentList)) return false;
  if (!Object.hasOwn(methods, String(path[0]))) return false;
  return argumentList.every(
    (argument: unknown) => typeof argument === 'object' && argument !== null && (argument as { type?: unknown }).type === 'RAW',
  );
}
