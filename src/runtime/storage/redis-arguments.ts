/** The arguments and replies of the scripts, as they travel. */
import type { WaitingMessage } from '../canceling.js';
import { ConfigurationError, StorageRefused } from '../errors.js';
import { checkId } from '../ids.js';
import type { Dropped, Effects, EnqueueItem, StepCall, StepReply, Transition } from '../storage.js';
import { checkEnd, checkIfKnown, checkStepCall, checkTransition, checkUnique, checkWhen } from './checks.js';
import { WAITING_PLACES } from './redis-cancel-scripts.js';
import type { RedisArgument } from './redis-connection.js';

/** ARGV of the enqueue script for one item, after its message. The messages themselves are looked at by the script. */
export function whenOf(item: EnqueueItem): string {
  const { delayMs, etaMs } = checkWhen(item);
  const when = etaMs !== undefined ? `a${Math.floor(etaMs)}` : delayMs > 0 ? `d${Math.ceil(delayMs)}` : '';
  const { unique, replaces, ifKnown } = item;
  if (unique === undefined && replaces === undefined && ifKnown === undefined) return when;
  if (unique !== undefined) checkUnique(unique);
  if (replaces !== undefined) checkId(replaces);
  if (ifKnown !== undefined) checkIfKnown(ifKnown);
  return JSON.stringify({ when, unique, replaces, ifKnown });
}

/** Whether the short script is most likely to take it: it looks itself. */
export function isPlainItem(item: EnqueueItem): boolean {
  const care = item.text.charAt(3);
  return (care === '0' || care === '4') && item.text.charAt(57) === ' ' && whenOf(item) === '';
}

/** ARGV of the step script, without the prefix. */
export function stepArguments(call: StepCall): RedisArgument[] {
  checkStepCall(call);
  const args = [...callArguments(call), call.solo ? 1 : 0, call.handOver === true ? 1 : 0, ...completionArguments(call)];
  for (const transition of call.transitions) args.push(...transitionArguments(transition));
  return args;
}

/** ARGV of the short one; undefined where it cannot do what the call asks for. */
export function quickStepArguments(call: StepCall): RedisArgument[] | undefined {
  checkStepCall(call);
  if (call.handOver === true || call.transitions.length > 0) return undefined;
  return [...callArguments(call), ...completionArguments(call)];
}

function callArguments({ consumer, lane, seq, chunks, chunkSize }: StepCall): RedisArgument[] {
  return [consumer, lane, seq, chunks, chunkSize];
}

function completionArguments({ completions, receipts }: StepCall): RedisArgument[] {
  const args: RedisArgument[] = [completions.length];
  completions.forEach((bytes, i) => args.push(receipts?.[i] ?? '', Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
  return args;
}

function transitionArguments(move: Transition): RedisArgument[] {
  checkTransition(move);
  switch (move.kind) {
    case 'settle':
      return ['S', move.id, move.record, move.ttlSeconds, effectsText(move.effects)];
    case 'requeue':
      return ['Q', move.id, move.text, Math.ceil(move.delayMs), move.at, effectsText(move.effects)];
    case 'bury':
      return ['B', move.id, move.text, move.reason.replaceAll('\n', ' '), move.record, move.ttlSeconds, effectsText(move.effects)];
  }
}

/** ARGV of the script that ends what waits, without the prefix. @throws ConfigurationError */
export function endArguments(message: WaitingMessage, transition: Transition): RedisArgument[] {
  checkEnd(message, transition);
  const place = WAITING_PLACES.find((one) => one === message.at);
  if (place === undefined) throw new ConfigurationError(`nothing waits at ${JSON.stringify(message.at)}`);
  const [, , ...rest] = transitionArguments(transition);
  return [place, message.text, ...rest];
}

export function readStep(reply: unknown): StepReply {
  if (!Array.isArray(reply)) throw new StorageRefused('the step script gave no list');
  const [now, committed, refused, left, dropped, solo, ...rest] = reply as [number, number, number, number, string, string];
  const chunks: StepReply['chunks'] = [];
  for (let i = 0; i + 2 < rest.length; i += 3) {
    const receipt = String(rest[i + 2]);
    chunks.push({ text: String(rest[i]), count: Number(rest[i + 1]), ...(receipt === '' ? {} : { receipt }) });
  }
  return {
    now,
    committed,
    refused,
    left,
    // cjson writes an empty list as {}.
    dropped: dropped === '{}' ? [] : (JSON.parse(dropped) as Dropped[]),
    solo: solo === '' ? undefined : solo,
    chunks,
  };
}

/** Empty lists are left out: cjson cannot tell them from objects. */
function effectsText(effects: Effects | undefined): string {
  if (effects === undefined) return '';
  const { enqueue = [], also = [], ...rest } = effects;
  return JSON.stringify({
    ...rest,
    ...(enqueue.length > 0 ? { enqueue: enqueue.map((item) => ({ text: item.text, when: whenOf(item) })) } : {}),
    ...(also.length > 0 ? { also } : {}),
  });
}
