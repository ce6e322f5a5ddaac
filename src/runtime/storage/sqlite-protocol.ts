/** What the two sides of the storage thread say to each other, and how errors cross. */
import * as errors from '../errors.js';
import type { EngineVerb, SqliteEngine, Verb } from './sqlite-engine.js';
import type { SqliteTools, ToolVerb } from './sqlite-tools.js';

export interface ThreadData {
  queue: string;
  filename: string;
  /** The time in ms since 1970, shared with the test that moves it; absent: this machine's clock. */
  clock?: BigInt64Array;
}

type EngineVerbs = Pick<SqliteEngine, EngineVerb> & Pick<SqliteTools, ToolVerb>;
export type ArgumentsOf<V extends Verb> = Parameters<EngineVerbs[V]>;
export type ReplyOf<V extends Verb> = ReturnType<EngineVerbs[V]>;

/** `verb` 'open' only opens, 'watch' adds ids, `waitMs` makes a wait of a step. */
export interface Call {
  number: number;
  verb: Verb | 'open' | 'watch';
  args: readonly unknown[];
  waitMs?: number;
}

export interface ToThread {
  calls?: Call[];
  unwatch?: readonly string[];
  interrupt?: true;
  /** Whether to tell what a consumer wants to know: earlier due dates, what was canceled, that it shall reload. */
  tellConsumer?: boolean;
  close?: true;
}

export type Reply = { number: number; value: unknown } | { number: number; error: CrossedError };

export interface FromThread {
  replies?: Reply[];
  ended?: { id: string; record?: string }[];
  scheduled?: true;
  canceled?: string[];
  /** Consumers were asked to reload, so often by now. */
  reloads?: number;
  events?: { events: string[]; gap: boolean };
}

export interface CrossedError {
  name: string;
  code: string;
  message: string;
  outcomeUnknown: boolean;
  instance?: string;
}

export function packError(error: unknown): CrossedError {
  if (error instanceof errors.HueyException) {
    const outcomeUnknown = error instanceof errors.StorageUnavailable && error.outcomeUnknown;
    const crossed = { name: error.name, code: error.code, message: error.message, outcomeUnknown };
    return error instanceof errors.InstanceTaken ? { ...crossed, instance: error.instance } : crossed;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { name: 'StorageUnavailable', code: 'storage-unavailable', message: `the SQLite storage failed: ${text}`, outcomeUnknown: false };
}

/** @param consumer the one that the call was for, if it was for one. */
export function unpackError({ name, code, message, outcomeUnknown, instance }: CrossedError, consumer: string): Error {
  switch (name) {
    case 'ConsumerReaped':
      return new errors.ConsumerReaped(consumer);
    case 'InstanceTaken':
      return new errors.InstanceTaken(instance ?? '');
    case 'StorageRefused':
      return new errors.StorageRefused(message);
    case 'StorageFull':
      return new errors.StorageFull(message);
    case 'StorageUnavailable':
      return new errors.StorageUnavailable(message, { outcomeUnknown });
    case 'MalformedMessage':
      return new errors.MalformedMessage(message);
    case 'PayloadError':
      return new errors.PayloadError(message);
    case 'ConfigurationError':
      return new errors.ConfigurationError(message, code);
    default:
      return new errors.HueyException(message, code);
  }
}
