/**
 * The wire format of an invocation, version 1. Only this file, the Lua scripts and nothing else know the positions.
 *
 *     ["<head>",<body>]            or, where the runtime noted something beside the head, ["<head>",<body>,<notes>]
 *
 * Where bodies are signed or compressed, <body> is a JSON string instead of an object (payload-codec.ts).
 *
 * One line of JSON without raw line breaks, so that messages joined with ",\n" can be split without parsing. The head is mutable, the body never changes after the enqueue.
 *
 *     index  chars  field
 *       2      1    version, '1'
 *       3      1    care, a sum: 0 nothing to look at before the start; 1 look closer (expiry, priority, lapses, deaths);
 *                   2 the expiry is still relative (the storage makes it absolute); 4 linked: its end concerns others
 *                   (a next stage, a handler, a chord, a unique key), so only a supervisor may end it; 8 keyed: it needs
 *                   a slot of its key to be leased. The sum is a character: '0' to '9', then ':;<=>?'
 *       4      4    attempts that ended so far, base 36
 *       8      4    retries left, base 36
 *      12      1    lapses: deaths of a process or a thread that held it beside others, base 36
 *      13      1    deaths that it caused alone, base 36
 *      14      5    priority, sign and four digits
 *      19      6    timeout in ms, base 36, 0 = none
 *      25     13    expiry, ms since 1970 by the storage's clock, 0 = none
 *      38           id, up to a blank; of a keyed one its limit, '=', its key, and a blank; then the task's name, up to the quote
 */
import { ConfigurationError, MalformedMessage } from './errors.js';
import { CONCURRENCY_KEY_MAX_CHARS, ID_MAX_CHARS, KEY_MAX_CHARS, NAME_MAX_CHARS, RESULT_TTL_MAX_MS } from './limits.js';

export const MESSAGE_VERSION = '1';
/** Between the messages of a chunk. */
export const SEPARATOR = ',\n';

const AT = { version: 2, care: 3, attempts: 4, retries: 8, lapses: 12, deaths: 13, priority: 14, timeout: 19, expiry: 25, id: 38 } as const;
/** The Lua scripts ask for the same, but for the numbers (redis-lua.ts). */
const NUMBERS = '[0-9a-z]{10}[+-]\\d{4}[0-9a-z]{6}\\d{13}';
const SLOT = `[1-9]\\d{0,3}=[!#-[\\]-~]{1,${CONCURRENCY_KEY_MAX_CHARS}} `;
const HEAD = `1(?:[0-7]${NUMBERS}[!#-[\\]-~]{1,${ID_MAX_CHARS}} |[8-?]${NUMBERS}[!#-[\\]-~]{1,${ID_MAX_CHARS}} ${SLOT})[^"\\\\\\u0000-\\u001f\\u007f]+`;
const HEAD_PATTERN = new RegExp(`^\\["${HEAD}",`);
const ID_PATTERN = new RegExp(`^[!#-[\\]-~]{1,${ID_MAX_CHARS}}$`);
const STAGE_HEAD_PATTERN = new RegExp(`^${HEAD}$`);

/** At most so many invocations with this key are in flight at once, whoever their consumers are. */
export interface Slot {
  /** Printable ASCII without blanks, quotes and backslashes. */
  key: string;
  /** 1 to CONCURRENCY_MAX. */
  limit: number;
}

/** The mutable part. */
export interface Head {
  id: string;
  name: string;
  attempts: number;
  retries: number;
  lapses: number;
  deaths: number;
  priority: number;
  /** 0 = none. */
  timeoutMs: number;
  /** By the storage's clock; 0 = none. */
  expiresAt: number;
  /** The expiry counts from the enqueue and is not absolute yet. */
  expiryIsRelative?: boolean;
  /** Its end concerns others: the body has `next`, `onError`, `chord`, `collect` or `unique`. */
  linked?: boolean;
  /** What it needs to be leased. */
  slot?: Slot;
}

/** A message that will be made when its time comes: a later stage, a handler of errors, a chord's callback. */
export interface Stage {
  /** encodeHead(...), with the id that its handle already has. */
  head: string;
  body: Body;
  /** Due this long after its turn has come. */
  delayMs?: number;
  /** Not before this instant, ms since 1970. */
  etaMs?: number;
}

/** The immutable part. Absent means default; unknown keys are preserved, because the body is never written again. */
export interface Body {
  /** Encoded by the serializer. */
  args: unknown[];
  /** When the producer made it, ms since 1970 by the producer's clock; for people only. */
  at: number;
  /** When it is due, where that is later than `at`; as far as the producer knows, for people only. */
  due?: number;
  /** It belongs to another task's message: `at` says when the whole was made, and not when this was enqueued. */
  later?: true;
  /** Retries at the start. */
  retries?: number;
  retryDelayMs?: number;
  retryBackoff?: number;
  /** How long its result is kept; absent: the default of the Huey. */
  resultTtlMs?: number;
  /** False: keep no result, only an end marker. */
  result?: false;
  meta?: Record<string, unknown>;
  /** W3C trace context. */
  trace?: string;
  key?: string;
  /** The key that this invocation holds, until it starts or ends. */
  unique?: { key: string; until: 'started' | 'ended' };
  root?: string;
  parent?: string;
  /** The next stage of the pipeline. */
  next?: Stage;
  /** Run with the error as its last argument when this one has failed for good. */
  onError?: Stage;
  /** The chord that this member contributes to, and its place in the list. */
  chord?: { id: string; index: number };
  /** This is the callback of that chord: its list is added to the arguments when it runs. */
  collect?: string;
  /** The minute this tick of a periodic task stands for, ms since 1970. */
  tick?: number;
}

/** What the runtime noted beside the head. */
export interface Notes {
  /** Since when consumers have seen a task name or version that they do not know; ms by the storage's clock. */
  unknownSince?: number;
  /** When it could be tried again, after its last attempt; ms by the storage's clock. */
  retryAt?: number;
}

export interface Message {
  head: Head;
  body: Body;
  notes: Notes;
}

/** The head's text, without the surrounding quote signs. */
export function encodeHead(head: Head): string {
  return `${headStart(head)}${head.id}${nameOf(head)}`;
}

/** What stands in the head behind the id. */
export function nameOf({ slot, name }: Pick<Head, 'slot' | 'name'>): string {
  return slot === undefined ? ` ${name}` : ` ${slot.limit}=${slot.key} ${name}`;
}

/** What stands in the head before the id. */
export function headStart(head: Omit<Head, 'id' | 'name'>): string {
  const plain = head.expiresAt === 0 && head.priority === 0 && head.lapses === 0 && head.deaths === 0;
  const care =
    (plain ? 0 : 1) + (head.expiryIsRelative === true ? 2 : 0) + (head.linked === true ? 4 : 0) + (head.slot === undefined ? 0 : 8);
  return (
    MESSAGE_VERSION +
    String.fromCharCode(48 + care) +
    base36(head.attempts, 4) +
    base36(head.retries, 4) +
    base36(Math.min(head.lapses, 35), 1) +
    base36(Math.min(head.deaths, 35), 1) +
    (head.priority < 0 ? '-' : '+') +
    Math.abs(head.priority).toString().padStart(4, '0') +
    base36(head.timeoutMs, 6) +
    Math.floor(head.expiresAt).toString().padStart(13, '0')
  );
}

/** A new message. `bodyText` is JSON. */
export function encodeMessage(head: Head, bodyText: string): string {
  return `["${encodeHead(head)}",${bodyText}]`;
}

/** The same body under another head. */
export function withHead(text: string, head: Head, notes?: Notes): string {
  const bodyStart = text.indexOf('"', AT.id) + 2;
  if (notes === undefined) return `["${encodeHead(head)}",${text.slice(bodyStart)}`;
  const tail = Object.keys(notes).length === 0 ? '' : `,${JSON.stringify(notes)}`;
  return `["${encodeHead(head)}",${bodyText(text, bodyStart)}${tail}]`;
}

/** The body as it was written: parsed and written again it could have other bytes, and it may be signed. */
function bodyText(text: string, bodyStart: number): string {
  const [, body, notes] = parseParts(text);
  const rest = text.slice(bodyStart, text.lastIndexOf(']'));
  if (notes === undefined) return rest;
  // Notes are written by the runtime alone, always like this.
  const tail = `,${JSON.stringify(notes)}`;
  return rest.endsWith(tail) ? rest.slice(0, -tail.length) : JSON.stringify(body);
}

/** Reads the head by position, without parsing the rest. @throws MalformedMessage */
export function decodeHead(text: string): Head {
  // What comes over a port may be no text, and a list of one text would look like it.
  if (typeof text !== 'string' || !HEAD_PATTERN.test(text)) throw new MalformedMessage('not a message of version 1');
  return readHead(text, 0);
}

/**
 * The head of a message that is known to be well-formed. `shift` is 0 for the whole text and -2 for the head's own
 * text as it comes out of JSON.parse.
 */
export function readHead(text: string, shift: 0 | -2): Head {
  const idStart = AT.id + shift;
  const blank = text.indexOf(' ', idStart);
  const end = shift === 0 ? text.indexOf('"', idStart) : text.length;
  const { attempts, retries, lapses, deaths, priority, timeoutMs, expiresAt } = readNumbers(text.slice(AT.version + shift, idStart));
  const id = text.slice(idStart, blank);
  const name = text.slice(blank + 1, end);
  const head: Head = { id, name, attempts, retries, lapses, deaths, priority, timeoutMs, expiresAt };
  const care = text.charCodeAt(AT.care + shift) - 48;
  if ((care & 2) !== 0) head.expiryIsRelative = true;
  if ((care & 4) !== 0) head.linked = true;
  if ((care & 8) !== 0) readSlot(head);
  return head;
}

type HeadNumbers = Omit<Head, 'id' | 'name'>;
/** What was read last: most messages begin alike, and six numbers cost as much as the rest of a head. */
let lastStart = '';
let lastNumbers: HeadNumbers | undefined;

/** What stands before the id. */
function readNumbers(start: string): HeadNumbers {
  if (lastNumbers !== undefined && start === lastStart) return lastNumbers;
  const part = (from: keyof typeof AT, to: keyof typeof AT): string => start.slice(AT[from] - AT.version, AT[to] - AT.version);
  lastStart = start;
  lastNumbers = {
    attempts: parseInt(part('attempts', 'retries'), 36),
    retries: parseInt(part('retries', 'lapses'), 36),
    lapses: parseInt(part('lapses', 'deaths'), 36),
    deaths: parseInt(part('deaths', 'priority'), 36),
    priority: Number(part('priority', 'timeout')),
    timeoutMs: parseInt(part('timeout', 'expiry'), 36),
    expiresAt: Number(part('expiry', 'id')),
  };
  return lastNumbers;
}

/** Parts what was taken for the name. */
function readSlot(head: Head): void {
  const text = head.name;
  const sign = text.indexOf('=');
  const blank = text.indexOf(' ', sign);
  head.slot = { key: text.slice(sign + 1, blank), limit: Number(text.slice(0, sign)) };
  head.name = text.slice(blank + 1);
}

/** Whether its end concerns others (`shift` as in readHead). */
export function isLinked(text: string, shift: 0 | -2): boolean {
  return ((text.charCodeAt(AT.care + shift) - 48) & 4) !== 0;
}

/** Which run of an invocation this is: a lock that an earlier one left behind is nobody's. */
export function runOf(head: Head): string {
  return base36(head.attempts, 4) + base36(Math.min(head.lapses, 35), 1) + base36(Math.min(head.deaths, 35), 1);
}

/** The id alone, the cheapest read there is (`shift` as in readHead). */
export function idOf(text: string, shift: 0 | -2 = 0): string {
  return text.slice(AT.id + shift, text.indexOf(' ', AT.id + shift));
}

/** Whether the head says that there is nothing to look at before the start (`shift` as in readHead). */
export function isPlain(text: string, shift: 0 | -2): boolean {
  return text.charCodeAt(AT.care + shift) === 48;
}

/** Parses a whole message. @throws MalformedMessage */
export function decodeMessage(text: string): Message {
  return decodeMessageWith(text, checkBody);
}

/** For bodies that are no objects (payload-codec.ts). @throws MalformedMessage */
export function decodeMessageWith(text: string, readBody: (body: unknown, head: Head) => Body): Message {
  const head = decodeHead(text);
  const [, body, notes] = parseParts(text);
  return { head, body: readBody(body, head), notes: isRecord(notes) ? notes : {} };
}

/**
 * The one look at a body from outside. What only its own task reads is left to that; what storages and other tasks get
 * to see must be as it should be.
 * @throws MalformedMessage
 */
export function checkBody(body: unknown): Body {
  // Further stages, made where there are some: most bodies have none.
  let unchecked: unknown[] | undefined;
  for (let next: unknown = body; ; next = unchecked.pop()) {
    if (!isRecord(next) || !Array.isArray(next['args'])) throw new MalformedMessage('the body of the message has no list of arguments');
    const { resultTtlMs, next: later, onError, chord, collect, unique } = next;
    if (resultTtlMs !== undefined && !isWithin(resultTtlMs, RESULT_TTL_MAX_MS)) throw badField('resultTtlMs');
    if (later !== undefined) (unchecked ??= []).push(bodyOfStage(later, 'next'));
    if (onError !== undefined) (unchecked ??= []).push(bodyOfStage(onError, 'onError'));
    if (
      chord !== undefined &&
      !(isRecord(chord) && isId(chord['id']) && Number.isSafeInteger(chord['index']) && isWithin(chord['index']))
    ) {
      throw badField('chord');
    }
    if (collect !== undefined && !isId(collect)) throw badField('collect');
    if (unique !== undefined && !(isRecord(unique) && isUniqueKey(unique['key']))) throw badField('unique');
    if (unchecked === undefined || unchecked.length === 0) return body as Body;
  }
}

function bodyOfStage(stage: unknown, field: string): unknown {
  if (!isRecord(stage)) throw badField(field);
  const { head, body, delayMs, etaMs } = stage;
  const isDue = delayMs === undefined ? etaMs === undefined || isWithin(etaMs) : etaMs === undefined && isWithin(delayMs);
  if (typeof head !== 'string' || !STAGE_HEAD_PATTERN.test(head) || !isDue) throw badField(field);
  return body;
}

function badField(field: string): MalformedMessage {
  return new MalformedMessage(`the body of the message has no good "${field}"`);
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && ID_PATTERN.test(value);
}

function isUniqueKey(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= KEY_MAX_CHARS;
}

/** A number from 0 on. */
function isWithin(value: unknown, max = Number.MAX_VALUE): boolean {
  return typeof value === 'number' && value >= 0 && value <= max;
}

function parseParts(text: string): unknown[] {
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch (cause) {
    throw new MalformedMessage('the message is not JSON', { cause });
  }
  if (!Array.isArray(parts)) throw new MalformedMessage('the message is not a list');
  return parts as unknown[];
}

/** @throws ConfigurationError where the text cannot be the name of a task. */
export function checkName(name: string): string {
  if (name.length === 0 || name.length > NAME_MAX_CHARS || /["\\\u0000-\u001f\u007f]/.test(name)) {
    throw new ConfigurationError(
      `a task's name is 1 to ${NAME_MAX_CHARS} characters without quotes, backslashes and control characters: ${JSON.stringify(name)}`,
      'bad-name',
    );
  }
  return name;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function base36(value: number, width: number): string {
  const text = Math.min(Math.max(0, Math.floor(value)), 36 ** width - 1).toString(36);
  return text.length === width ? text : text.padStart(width, '0');
}
