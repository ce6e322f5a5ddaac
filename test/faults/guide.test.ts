/** What of the guide takes its time: three retries ten seconds apart, and a periodic task over real minutes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GUIDE_FILES, printedBy, Reader, STORAGES } from '../guide/reader.js';

const MINUTE_MS = 60_000;
/** Before the next minute a script can be run to its end. */
const ROOM_MS = 20_000;

for (const [storageName, open] of Object.entries(STORAGES)) {
  describe(`the guide in real time, on ${storageName}`, { concurrency: true, timeout: 10 * MINUTE_MS }, () => {
    it('tries three times more, ten seconds apart, and beans are counted in between', async (t) => {
      const reader = await Reader.open(t, { env: await open(t), files: GUIDE_FILES });
      const consumer = await reader.consumer(['tasks.js', '-w', '2', '--no-periodic']);
      assert.equal(await reader.run('retries.js'), printedBy('retries.js'));
      const lines = consumer.stdout().match(/(?<=\] )(trying|-- counted \d)/g);
      assert.deepEqual(lines, ['trying', '-- counted 1', 'trying', '-- counted 2', 'trying', '-- counted 3', 'trying']);
      const tries = [...consumer.stdout().matchAll(/trying\.\.\.\. (\S+)/g)].map(([, at = '']) => Date.parse(at));
      for (const [i, at] of tries.slice(1).entries()) assert.ok(at - (tries[i] ?? 0) >= 9_990, String(at - (tries[i] ?? 0)));
    });

    it('prints the time every minute, but where it is paused: once, and until it is resumed', async (t) => {
      const reader = await Reader.open(t, { env: await open(t), files: GUIDE_FILES });
      const consumer = await reader.consumer();
      const minutes = (): number[] =>
        [...consumer.stdout().matchAll(/the time is (\S+)/g)].map(([, at = '']) => Math.floor(Date.parse(at) / MINUTE_MS));
      const printed = async (count: number): Promise<number> => {
        await consumer.waitFor(new RegExp(`(the time is[^]*){${count}}`));
        await roomBeforeNextMinute();
        return minutes()[count - 1] ?? 0;
      };
      const first = await printed(1);
      await reader.run('pause-once.js');
      const second = await printed(2);
      assert.equal(second, first + 2);

      await reader.run('pause.js');
      await nextMinute();
      await reader.run('resume.js');
      const third = await printed(3);
      assert.equal(third, second + 2);
      assert.equal(new Set(minutes()).size, minutes().length);
    });
  });
}

/** Where the minute is nearly over, waits for the next one's tick to be past. */
async function roomBeforeNextMinute(): Promise<void> {
  const left = MINUTE_MS - (Date.now() % MINUTE_MS);
  assert.ok(left > ROOM_MS, `the tick came ${(MINUTE_MS - left) / 1000} s late`);
}

function nextMinute(): Promise<void> {
  const left = MINUTE_MS - (Date.now() % MINUTE_MS);
  // The tick has been enqueued and skipped a few seconds after its minute began.
  return new Promise((resolve) => setTimeout(resolve, left + 5_000));
}
