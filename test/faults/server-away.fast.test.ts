/** G1: while the server is away a call fails after a bounded wait, says what it knows, and can be made again. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { EnqueueFailed, RedisHuey, type Huey } from 'huey-runtime';
import { sharedRedis } from '../actors/consumer-world.js';
import { freePort } from '../support/redis.js';
import { startProxy, type Proxy } from './harness/proxy.js';

/** Seconds. */
const WAIT = 1;
/** So much later a machine that is busy may notice it. */
const SLACK_MS = 10_000;

async function makeHuey(t: TestContext): Promise<{ proxy: Proxy; huey: Huey; add: ReturnType<typeof addOf> }> {
  const proxy = await startProxy(t, await sharedRedis());
  const huey = new RedisHuey(`q${randomBytes(6).toString('hex')}`, { url: proxy.url, enqueueWait: WAIT });
  t.after(() => huey.close());
  return { proxy, huey, add: addOf(huey) };
}

function addOf(huey: Huey) {
  return huey.task(function add(a: number, b: number) {
    return a + b;
  });
}

async function failureOf(call: Promise<unknown>): Promise<EnqueueFailed> {
  const beganAt = performance.now();
  const error = await call.then(
    () => assert.fail('it was stored'),
    (reason: unknown) => reason,
  );
  const tookMs = performance.now() - beganAt;
  assert.ok(error instanceof EnqueueFailed, String(error));
  assert.ok(tookMs >= WAIT * 1000 - 50 && tookMs < WAIT * 1000 + SLACK_MS, `it took ${tookMs} ms`);
  return error;
}

describe('a call while the server is away', { timeout: 60_000 }, () => {
  it('fails after its wait and names its id, where nobody can be reached', async (t) => {
    const huey = new RedisHuey('away', { url: `redis://127.0.0.1:${await freePort()}`, enqueueWait: WAIT });
    t.after(() => huey.close());
    const add = addOf(huey);
    // The first call loads the driver, which may take a busy machine longer than the wait; then there was no try yet.
    await failureOf(add(0, 0));
    const error = await failureOf(add.withOptions({ id: 'bean' })(1, 2));
    assert.equal(error.id, 'bean');
    assert.match(error.message, /ECONNREFUSED/);
  });

  it('may be stored where its reply is lost: the error has the id, and the same call again makes no second', async (t) => {
    const { proxy, huey, add } = await makeHuey(t);
    const lost = proxy.loseReply('hueyEnqueuePlain').then(() => proxy.swallow());
    const error = await failureOf(add(1, 2));
    await lost;
    assert.equal(error.outcomeUnknown, true);
    assert.equal(error.code, 'enqueue-unknown');
    proxy.resume();
    const { id } = error;
    assert.ok(id !== undefined);
    const result = await again(() => add.withOptions({ id })(1, 2));
    assert.equal(result.id, id);
    assert.equal(await huey.pendingCount(), 1);
  });

  it('says that it may be stored where it got no answer, also where it never arrived', async (t) => {
    const { proxy, huey, add } = await makeHuey(t);
    await add(0, 0);
    proxy.deafen();
    const error = await failureOf(add(1, 2));
    assert.equal(error.outcomeUnknown, true);
    const result = await again(() => add.withOptions({ id: error.id ?? '' })(1, 2));
    assert.equal(result.id, error.id);
    assert.equal(await huey.pendingCount(), 2);
  });
});

/** Until it goes through: the way back to the server may take longer than one call waits. */
async function again<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (tries === 20) throw error;
    }
  }
}
