/** Errors as data, for the ways between threads: the class and the code survive. */
import {
  ConfigurationError,
  ConsumerReaped,
  HueyException,
  MalformedMessage,
  PayloadError,
  StorageFull,
  StorageRefused,
  StorageUnavailable,
} from './errors.js';
import type { ErrorInfo } from './lifecycle.js';

export interface ErrorData {
  name: string;
  message: string;
  code: string;
  stack?: string;
  outcomeUnknown?: boolean;
}

export function toErrorData(error: unknown): ErrorData {
  const { name, message, stack, code } = errorInfo(error);
  const data: ErrorData = { name, message, code };
  if (stack !== undefined) data.stack = stack;
  if (error instanceof StorageUnavailable) data.outcomeUnknown = error.outcomeUnknown;
  return data;
}

export function fromErrorData(data: ErrorData): Error {
  const error = revive(data);
  error.name = data.name;
  return error;
}

/**
 * What can be said of whatever was thrown: `throw null` and `throw 'text'` too. Only texts, whatever the error's fields
 * hold: a field that cannot cross threads would keep the news of the failure from ever arriving. Never throws.
 */
export function errorInfo(thrown: unknown, code?: string): ErrorInfo {
  try {
    return read(thrown, code);
  } catch {
    return { name: 'Error', message: 'the thrown value cannot be looked at: its own code throws', code: code ?? 'error' };
  }
}

function read(thrown: unknown, code: string | undefined): ErrorInfo {
  if (!(thrown instanceof Error)) return { name: 'Error', message: `thrown value: ${describe(thrown)}`, code: code ?? 'error' };
  const { name, message, code: own } = thrown as { [field in keyof ErrorInfo]: unknown };
  const stack = stackOf(thrown);
  const info: ErrorInfo = {
    name: typeof name === 'string' ? name : 'Error',
    message: typeof message === 'string' ? message : describe(message),
    code: code ?? (typeof own === 'string' ? own : 'error'),
  };
  if (stack !== undefined) info.stack = stack;
  return info;
}

/** It is put together when it is first read, by code that trusts the error's other fields. */
function stackOf(error: Error): string | undefined {
  try {
    return typeof error.stack === 'string' ? error.stack : undefined;
  } catch {
    return undefined;
  }
}

function describe(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}

function revive(data: ErrorData): Error {
  const { message } = data;
  switch (data.name) {
    case 'StorageUnavailable':
      return new StorageUnavailable(message, { outcomeUnknown: data.outcomeUnknown ?? false });
    case 'StorageRefused':
      return new StorageRefused(message);
    case 'StorageFull':
      return new StorageFull(message);
    case 'MalformedMessage':
      return new MalformedMessage(message);
    case 'PayloadError':
      return new PayloadError(message);
    case 'ConfigurationError':
      return new ConfigurationError(message, data.code);
    case 'ConsumerReaped':
      return Object.assign(new ConsumerReaped(''), { message });
    default:
      return new HueyException(message, data.code);
  }
}
