/**
 * F8: the connection is cut between a request and its reply, once for each kind of request that a producer and a consumer
 * make. The kinds are those that a first pass without any fault was seen to send.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { chord, StorageUnavailable } from 'huey-runtime';
import { startProxy } from './harness/proxy.js';
import { fault } from './harness/scenario.js';
import type { FaultWorld } from './harness/world.js';

const MEMBERS = 5;
/** It runs over more than one heartbeat, which then compares what is held. */
const LONG_MS = 1500;
const DELAY_SECONDS = 0.3;
const WAIT_SECONDS = 60;
/** Beyond so many in a pass, not always the first one. */
const MANY = 8;
/** What the first pass has to send, or it does not do what it is for. */
const VERBS = [
  ...[
    'hueyEnqueue',
    'hueyEnqueuePlain',
    'hueyStep',
    'hueyQuickStep',
    'BLMOVE',
    'hueyBeat',
    'hueyReap',
    'hueyPromote',
    'hueyRegister',
    'hueyUnregister',
    'hueyHeld',
  ],
  ...['hueyReadResults', 'hueyRemoveResults', 'hueyRevoke', 'hueyReadMark', 'hueyAcquireLock', 'hueyReleaseLock', 'hueyReadChord'],
  ...['SUBSCRIBE'],
];
const ATTEMPTS = 4;

/** Ids whose task may run again: a lock whose reply was lost fails an attempt, as it says. */
const mayRunAgain = new Set<string>();

fault('F8', 'each reply lost once', { timeoutMs: 15 * 60_000 }, async (world) => {
  // A look at the queue is no part of the game.
  await world.storage();
  const proxy = await startProxy({ after: (hook) => world.onEnd(hook) }, world.redis);
  world.url = proxy.url;
  await pass(world);
  const sent = new Map(proxy.delivered);
  for (const verb of VERBS) assert.ok(sent.has(verb), `no ${verb} was sent`);
  const met: string[] = [];
  for (const [kind, count] of sent) {
    let lost = false;
    void proxy.loseReply(kind, count > MANY ? world.random.integer(1, MANY) : 1).then(() => (lost = true));
    await pass(world).catch((error: unknown) => {
      throw new Error(`with a lost reply of ${kind}: ${String(error)}`, { cause: error });
    });
    proxy.forgive();
    if (lost) met.push(kind);
    // Once in a while is enough for what is not sent in every pass.
    else assert.ok(!VERBS.includes(kind), `no ${kind} was sent in its own pass`);
  }
  const known = new Set(world.enqueued);
  const strangers = world.journal.runs().filter(({ id }) => !known.has(id));
  assert.deepEqual(strangers, [], 'a stage or a callback was enqueued twice');
  const again = [...world.journal.byId()].filter(([id, runs]) => runs.length > 1 && !mayRunAgain.has(id));
  assert.deepEqual(again, []);
  return world.report({ note: `${met.length} kinds: ${met.join(' ')}` });
});

/** The life of a consumer and what a producer asks for meanwhile. */
async function pass(world: FaultWorld): Promise<void> {
  const { huey, work, plusOne, collect, locked } = await world.tasks();
  const first = world.enqueued.length;
  const consumer = await world.startConsumer();
  await world.enqueue(20);
  await world.enqueue(3, () => work.withOptions({ delay: DELAY_SECONDS }).s(5));
  await world.enqueue(1, () => work.withOptions({ priority: 2 }).s(LONG_MS));
  const [lockedId = ''] = await world.enqueue(1, () => locked.withOptions({ retries: ATTEMPTS }).s('lock', 5));
  mayRunAgain.add(lockedId);

  // The same id, again: one task.
  const id = `twice-${first}`;
  for (let i = 0; i < 2; i++) await work.withOptions({ id })(5);
  const line = await huey.enqueue(plusOne.s(0).pipe(plusOne).pipe(plusOne));
  const fan = await huey.enqueue(
    chord(
      Array.from({ length: MEMBERS }, (_, i) => plusOne.s(i)),
      collect,
    ),
  );
  world.enqueued.push(id, ...[...line].map((one) => one.id), fan.callback.id, ...[...fan.results].map((one) => one.id));

  // Revoked and restored before it is due: it runs.
  const mark = await work.schedule({ args: [5], delay: DELAY_SECONDS });
  world.enqueued.push(mark.id);
  await repeated(() => mark.revoke());
  await repeated(() => mark.isRevoked());
  await repeated(() => mark.restore());

  assert.deepEqual(await repeated(() => line.get({ blocking: true, timeout: WAIT_SECONDS, preserve: true })), [1, 2, 3]);
  assert.deepEqual(
    await repeated(() => fan.get({ blocking: true, timeout: WAIT_SECONDS })),
    Array.from({ length: MEMBERS }, (_, i) => i + 1),
  );
  const ids = world.enqueued.slice(first);
  for (const [one, state] of await world.settled(ids)) assert.equal(state, 'done', `task ${one} ended ${state}`);
  await sleep(LONG_MS / 10);
  const { code } = await consumer.stop();
  assert.equal(code, 0, consumer.output());
  await world.quiet();
}

/** What a user does with a call whose outcome is unknown, where it may be repeated. */
async function repeated<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof StorageUnavailable) || attempt === ATTEMPTS) throw error;
    }
  }
}
