/**
 * The inner parts one by one, in operations per second, so that a regression has an address:
 * `npm run bench:micro`, optionally with a part of a name. Each figure is the median of several samples.
 */
import { ChunkSizer } from '../src/actors/chunk-sizer.js';
import { LaneMemory } from '../src/actors/lane-memory.js';
import { decodeCompletions, encodeCompletion, writeCompletion } from '../src/runtime/completion.js';
import { IdGenerator } from '../src/runtime/ids.js';
import { decodeHead, decodeMessage, encodeMessage, SEPARATOR, withHead, type Head } from '../src/runtime/message.js';
import { decodeText, encode } from '../src/runtime/serializer.js';
import { shortNumber } from './report.js';
import { spreadOf } from './statistics.js';

const SAMPLES = 7;
const SAMPLE_MS = 60;
/** Between two looks at the clock. */
const BATCH = 256;

const ids = new IdGenerator();
const head: Head = { id: ids.next(), name: 'noop', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };
const bodyText = '{"args":[{"n":1}],"at":1700000000000}';
const message = encodeMessage(head, bodyText);
const chunk = `[${Array.from({ length: BATCH }, () => message).join(SEPARATOR)}]`;
const completion = { id: head.id, ttlSeconds: 86_400, record: 'd1' };
const completions = Buffer.concat(Array.from({ length: BATCH }, () => encodeCompletion(completion)));
const plain = { user: { id: 17, name: 'Ada', tags: ['a', 'b'] }, total: 12.5, lines: [1, 2, 3] };
const tagged = { ...plain, at: new Date(1_700_000_000_000), seen: new Set([1, 2]) };
const [plainText, taggedText] = [encode(plain), encode(tagged)];
const lane = new LaneMemory();
const sizer = new ChunkSizer();

/** name -> how many operations one call makes, and the call. */
const PARTS: Record<string, [operations: number, call: () => unknown]> = {
  'ids: next': [1, () => ids.next()],
  'message: encode': [1, () => encodeMessage(head, bodyText)],
  'message: decode': [1, () => decodeMessage(message)],
  'message: decode the head alone': [1, () => decodeHead(message)],
  'message: another head': [1, () => withHead(message, head)],
  [`message: parse a chunk of ${BATCH}`]: [BATCH, () => JSON.parse(chunk) as unknown],
  'serializer: encode plain data': [1, () => encode(plain)],
  'serializer: decode plain data': [1, () => decodeText(plainText)],
  'serializer: encode tagged data': [1, () => encode(tagged)],
  'serializer: decode tagged data': [1, () => decodeText(taggedText)],
  'completion: write': [1, () => writeCompletion(lane.arena, 0, completion.id, completion.ttlSeconds, completion.record)],
  'completion: decode': [BATCH, () => decodeCompletions(completions)],
  'lane memory: offer, claim, publish, done': [BATCH, runLane],
  'chunk sizer: note': [1, () => sizer.note(3, sizer.size)],
};

/** What came out last, so that the engine cannot leave a call out. */
let kept: unknown;

const wanted = process.argv[2] ?? '';
for (const [name, [operations, call]] of Object.entries(PARTS)) {
  if (!name.includes(wanted)) continue;
  const { median, min, max } = spreadOf(Array.from({ length: SAMPLES }, () => sample(operations, call)));
  console.log(`${name.padEnd(44)} ${shortNumber(median).padStart(8)} /s  (${shortNumber(min)} to ${shortNumber(max)})`);
}

function sample(operations: number, call: () => unknown): number {
  const beganAtMs = performance.now();
  let calls = 0;
  for (;;) {
    for (let i = 0; i < BATCH; i++) kept = call();
    calls += BATCH;
    const elapsedMs = performance.now() - beganAtMs;
    if (elapsedMs >= SAMPLE_MS && kept !== sample) return (calls * operations * 1000) / elapsedMs;
  }
}

/** What a chunk of the largest size costs in shared memory, without its tasks. */
function runLane(): number {
  lane.offer(BATCH);
  let done = 0;
  for (let i = 0; i < BATCH; i++) {
    if (!lane.claim(i) || !lane.publish(i)) continue;
    lane.done(i, 0);
    done += 1;
  }
  return done;
}
