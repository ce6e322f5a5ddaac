/** What Redis and its driver say when something fails, in the runtime's own errors. None of them holds what was sent. */
import { ConsumerReaped, HueyException, MalformedMessage, StorageFull, StorageRefused, StorageUnavailable } from '../errors.js';

/** Up to 6.2, an error inside a script stands behind words of Redis's own. */
const READONLY = /(^|[\s-])READONLY\b/;
const NO_REPLICAS = /(^|[\s-])NOREPLICAS\b/;
const PASSING = /^(LOADING|UNBLOCKED|BUSY|CLUSTERDOWN|MASTERDOWN)\b|(^|[\s-])MISCONF\b/;
const MOVING = /^(ASK|TRYAGAIN)\b/;
const REFUSED = /\b(NOAUTH|WRONGPASS|NOPERM|CROSSSLOT|WRONGTYPE)\b/;
const CERTIFICATE = /CERT|UNABLE_TO_|ERR_TLS/;
const NO_CLUSTER = /cluster support disabled/;

export function translate(error: unknown): HueyException {
  if (error instanceof HueyException) return error;
  if (error instanceof Error) withoutCommand(error);
  const message = error instanceof Error ? error.message : String(error);
  const options = { cause: error };
  if (message.startsWith('REAPED ')) return new ConsumerReaped(message.slice('REAPED '.length));
  if (message.includes('MALFORMED ')) return new MalformedMessage(message, options);
  if (/\bOOM\b/.test(message)) return new StorageFull(`the Redis server is out of memory (maxmemory): ${message}`, options);
  if (isCertificate(error)) {
    return new StorageRefused(
      `the certificate of Redis is not trusted; ?ca=FILE at the end of its URL names who signed it: ${message}`,
      options,
    );
  }
  if (NO_CLUSTER.test(message))
    return new StorageRefused(`this Redis server is no node of a cluster; its URL begins with redis://: ${message}`, options);
  if (REFUSED.test(message)) return new StorageRefused(`Redis refuses: ${message}`, options);
  if (MOVING.test(message))
    return new StorageUnavailable(
      `the queue's slot is being moved to another node of the cluster, and its calls wait: ${message}`,
      options,
    );
  if ([PASSING, READONLY, NO_REPLICAS].some((words) => words.test(message)))
    return new StorageUnavailable(`Redis is not ready: ${message}`, options);
  if (message.startsWith('MOVED '))
    return new StorageUnavailable(
      `this node of the cluster does not have the queue; a URL for a cluster begins with redis+cluster:// (${message})`,
      options,
    );
  if (error instanceof Error && error.name === 'ReplyError') return new StorageRefused(`Redis refuses: ${message}`, options);
  // Nothing was sent where the stream was not writeable; otherwise nobody knows.
  const unsent = message.includes("isn't writeable") || message.includes('ECONNREFUSED');
  return new StorageUnavailable(`the connection to Redis was lost: ${message}`, { ...options, outcomeUnknown: !unsent });
}

/** Trying again soon would end the same way. */
export function isRefused(error: Error): boolean {
  return REFUSED.test(error.message) || NO_CLUSTER.test(error.message) || isCertificate(error);
}

/**
 * Another server may be the master by now: this one says that it is a replica, or, where sentinels can be asked, that it has lost
 * its replicas, as a master that was replaced does for seconds before the sentinels tell it.
 */
export function isElsewhere(error: Error, hasSentinels: boolean): boolean {
  return READONLY.test(error.message) || (hasSentinels && NO_REPLICAS.test(error.message));
}

/** The driver hangs the command to its error: a password, or the arguments of a task, which whoever prints the error would show. */
export function withoutCommand(error: Error): void {
  delete (error as { command?: unknown }).command;
}

function isCertificate(error: unknown): boolean {
  return CERTIFICATE.test(String((error as { code?: unknown } | null)?.code));
}
