/** Reading many keys of a server without stopping it. */
import type { Redis } from 'ioredis';

const SCAN_COUNT = 1000;
const READ_BATCH = 2000;

export async function keysOf(redis: Redis, pattern: string): Promise<string[]> {
  const keys = new Set<string>();
  let cursor = '0';
  do {
    const [next, found] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT);
    cursor = next;
    for (const key of found) keys.add(key);
  } while (cursor !== '0');
  return [...keys];
}

/** Calls `send` for each item of a list, many of them under way at once. */
export async function eachOf<T, R>(list: readonly T[], send: (item: T) => Promise<R>): Promise<R[]> {
  const replies: R[] = [];
  for (let i = 0; i < list.length; i += READ_BATCH) replies.push(...(await Promise.all(list.slice(i, i + READ_BATCH).map(send))));
  return replies;
}

/** The replies of a MULTI, as numbers; `ofList` says what a list counts as. */
export async function numbersOf(
  replies: Promise<[Error | null, unknown][] | null>,
  ofList: (list: readonly string[]) => number = (list) => list.length,
): Promise<number[]> {
  return ((await replies) ?? []).map(([error, value]) => {
    if (error !== null) throw error;
    return Array.isArray(value) ? ofList(value as string[]) : Number(value);
  });
}
