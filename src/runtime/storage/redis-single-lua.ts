/**
 * The part of the short script of `step` (redis-quick-step.ts) for one task alone, which is what a queue without a backlog sees: one that
 * came while a consumer waited, or the end of one. It makes no function but `stamp`, and two thirds of the instructions of what
 * stands behind it, which does the same with many. It comes behind START (redis-lua.ts), CALL (redis-chunks-lua.ts), `last` and `ready`, and returns only where it has done all.
 */
import { ID_MAX_CHARS } from '../limits.js';

export const SINGLE = `
local hasReceipts = last and sfind(last, '"receipt":"[^"]')

-- What landed, where it is one and nothing stands behind it.
if ARGV[7] == '0' and chunks > 0 and not hasReceipts and redis.call('LLEN', ready) == 0 then
  local landed = redis.call('LRANGE', landing, '0', '1')
  local m = landed[1]
  local id = m and not landed[2] and sfind(m, '^%["1[04]') and not sfind(m, '\\n', 1, true) and smatch(m, '^(%w+) [^"\\\\%c]+",', 39)
  if id and #id <= ${ID_MAX_CHARS} then
    redis.call('HLEN', inflight)
    redis.call('DEL', landing)
    redis.call('HSET', inflight, id, m)
    redis.call('HSET', lanes, lane, ARGV[4] .. ' {"committed":0,"refused":0,"dropped":{},"chunks":[{"receipt":"","ids":"' .. id .. '"}]}')
    return {now, 0, 0, 0, '{}', '', m, 1, ''}
  end
end

-- The end of one that is held by itself.
if ARGV[7] == '1' and chunks == 0 and ARGV[8] == '' and not hasReceipts then
  local rest, id, ttl, record = cmsgpack.unpack_limit(ARGV[9], 3, 0)
  if rest == -1 and record and redis.call('HEXISTS', inflight, id) == 1 then
    local bucket, field = id, id
    if #id == 19 and not sfind(id, '[^0-9a-z]') then bucket, field = ssub(id, 1, 16), ssub(id, 17) end
    local key = P .. 'result:' .. bucket
    redis.call('HLEN', key)
    local left = redis.call('LLEN', ready)
    if left == 1 and redis.call('LINDEX', ready, '0') == '' then left = 0 end
    redis.call('HDEL', inflight, id)
    redis.call('HSET', key, field, stamp(now + ttl * 1000) .. record)
    if redis.call('TTL', key) < ttl then redis.call('EXPIRE', key, math.ceil(ttl * 1.05) + 60) end
    redis.call('PUBLISH', P .. 'done:' .. bucket, id .. '\\n' .. (#record > 1024 and '' or record))
    redis.call('HSET', lanes, lane, ARGV[4] .. ' {"committed":1,"refused":0,"dropped":{},"chunks":{}}')
    return {now, 1, 0, left, '{}', ''}
  end
end
`;
