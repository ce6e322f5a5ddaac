/**
 * The bare limit: one script that claims a batch, stores a result for each task with its expiry, and acknowledges them,
 * without leases, fences, priorities, or a look at anything. No queue that keeps its promises on Redis can be faster.
 */
import { randomBytes } from 'node:crypto';

export const LIMIT_BATCH = 256;
export const LIMIT_IN_FLIGHT = 4;

/** What is pushed without any script. */
export const BARE_LIST = 'bare:list';

export const LIMIT_KEYS = { ready: 'limit:ready', inflight: 'limit:inflight', results: 'limit:results' } as const;

/** KEYS: ready, in flight, results. ARGV: how many, and what stands for the results that a consumer would send. */
export const LIMIT_SCRIPT = `
local list = redis.call('LPOP', KEYS[1], ARGV[1])
if not list then return '' end
local claimed, ids, results = {}, {}, {}
for i, m in ipairs(list) do
  local id = string.sub(m, 39, 57)
  claimed[2 * i - 1], claimed[2 * i] = id, m
  results[2 * i - 1], results[2 * i] = id, '1700000000000d1'
  ids[i] = id
end
redis.call('HSET', KEYS[2], unpack(claimed))
local key = KEYS[3] .. string.sub(ids[1], 1, 16)
redis.call('HSET', key, unpack(results))
redis.call('EXPIRE', key, 86400)
redis.call('HDEL', KEYS[2], unpack(ids))
return table.concat(list, ',\\n')
`;

/** As many bytes as the completions of a batch take. */
export function limitArguments(): [string, string] {
  return [String(LIMIT_BATCH), randomBytes(LIMIT_BATCH * 15).toString('hex')];
}
