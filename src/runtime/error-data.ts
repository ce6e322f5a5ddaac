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

/** What can be said of whatever was thrown: `throw null` and `throw 'text'` too. */
export function errorInfo(thrown: unknown, code?: string): ErrorInfo {
  if (thrown instanceof Error) {
    const own = (thrown as { code?: unknown }).code;
    const info: ErrorInfo = { name: thrown.name, message: thrown.message, code: code ?? (typeof own === 'string' ? own : 'error') };
    if (thrown.stack !== undefined) info.stack = thrown.stack;
    return info;
  }
  return { name: 'Error', message: `thrown value: ${describe(thrown)}`, code: code ?? 'error' };
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
