/** The error of a thread, for the one who started the supervisor. */
import { ConfigurationError } from '../runtime/errors.js';
import type { ErrorInfo } from '../runtime/lifecycle.js';

export function threadError(info: ErrorInfo): Error {
  const error = info.name === 'ConfigurationError' ? new ConfigurationError(info.message, info.code) : new Error(info.message);
  error.name = info.name;
  if (info.stack !== undefined) error.stack = info.stack;
  return error;
}
