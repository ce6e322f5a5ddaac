/** The scripts of what stands beside the life of a task: chords to read, unique keys, locks, limits, dead messages. */
import { HELD } from './redis-held-lua.js';
import { PLACE, PRELUDE, SETTLE } from './redis-lua.js';
import { STORE } from './redis-store-lua.js';

/** ARGV: prefix, chord. Returns the contributions in order, '' for none (a contribution is JSON and never empty). */
const READ_CHORD = `${PRELUDE}
local key = P .. 'chord:' .. ARGV[2]
local size = tonumber(redis.call('HGET', key, 'size') or 0)
local values = {}
for i = 0, size - 1 do values[i + 1] = redis.call('HGET', key, 'c' .. i) or '' end
return values
`;

/** ARGV: prefix, key, id. */
const FREE_UNIQUE = `${PRELUDE}${HELD}${PLACE}${SETTLE}${STORE}
expectLinks()
freeUnique(ARGV[2], ARGV[3])
return 1
`;

/** A lock is JSON: token, and either consumer, id and run, or untilMs. */
const LOCKS = `${HELD}
local function inFlight(lock)
  local m = findHeld(lock.consumer, lock.id) and redis.call('HGET', P .. 'inflight:' .. lock.consumer, lock.id)
  return m and string.sub(m, 5, 8) .. string.sub(m, 13, 14) == lock.run
end

local function holder(name)
  local lock = redis.call('HGET', P .. 'locks', name)
  if not lock then return nil end
  lock = cjson.decode(lock)
  if lock.run then
    if inFlight(lock) then return lock end
  elseif lock.untilMs > now then
    return lock
  end
  return nil
end
expect('locks', 'hash')
`;

/** ARGV: prefix, name, token, lease ms or '', consumer, id, run. Returns 1 where it is taken. */
const ACQUIRE_LOCK = `${PRELUDE}${LOCKS}
local held = holder(ARGV[2])
if held and held.token ~= ARGV[3] then return 0 end
local lock = {token = ARGV[3]}
if ARGV[4] ~= '' then
  lock.untilMs = now + tonumber(ARGV[4])
else
  lock.consumer, lock.id, lock.run = ARGV[5], ARGV[6], ARGV[7]
  -- A run that was given to somebody else would hold it in vain.
  if not inFlight(lock) then return 0 end
end
free()
redis.call('HSET', P .. 'locks', ARGV[2], cjson.encode(lock))
return 1
`;

/** ARGV: prefix, name, token, lease ms. Returns 1 where it was still held. */
const EXTEND_LOCK = `${PRELUDE}${LOCKS}
local held = holder(ARGV[2])
if not held or held.token ~= ARGV[3] then return 0 end
if held.untilMs then
  held.untilMs = now + tonumber(ARGV[4])
  free()
  redis.call('HSET', P .. 'locks', ARGV[2], cjson.encode(held))
end
return 1
`;

/** ARGV: prefix, name, token. Returns 1 where it was held. */
const RELEASE_LOCK = `${PRELUDE}${LOCKS}
local held = holder(ARGV[2])
if not held or held.token ~= ARGV[3] then return 0 end
redis.call('HDEL', P .. 'locks', ARGV[2])
return 1
`;

/** ARGV: prefix, name. Returns 1 where it is held. */
const IS_LOCKED = `${PRELUDE}${LOCKS}
return holder(ARGV[2]) and 1 or 0
`;

/** ARGV: prefix, names; none = all. Returns the names that were held. */
const FLUSH_LOCKS = `${PRELUDE}${LOCKS}
local names, held = {}, {}
for i = 2, #ARGV do names[#names + 1] = ARGV[i] end
if #names == 0 then names = redis.call('HKEYS', P .. 'locks') end
for _, name in ipairs(names) do
  if holder(name) then held[#held + 1] = name end
  redis.call('HDEL', P .. 'locks', name)
end
return held
`;

/** ARGV: prefix, name, limit, window ms, count (0 or 1). Returns allowed, usage, ms until the window ends. */
const RATE_LIMIT = `${PRELUDE}
expect('rate:' .. ARGV[2], 'string')
local key, limit, per = P .. 'rate:' .. ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local usage = tonumber(redis.call('GET', key) or 0)
if ARGV[5] == '0' or usage >= limit then
  local left = redis.call('PTTL', key)
  return {usage < limit and 1 or 0, usage, left > 0 and left or 0}
end
free()
usage = redis.call('INCR', key)
if usage == 1 then redis.call('PEXPIRE', key, per) end
return {1, usage, redis.call('PTTL', key)}
`;

/** ARGV: prefix, key. Returns the value, which is removed, or nothing. */
const TAKE_KEY = `${PRELUDE}
local value = redis.call('HGET', P .. 'keys', ARGV[2])
redis.call('HDEL', P .. 'keys', ARGV[2])
return value
`;

/** ARGV: prefix, id. The message starts with a clean record. Returns 1 where there was one. */
const RETRY_DEAD = `${PRELUDE}${PLACE}
expectPlaces() expect('dead', 'hash') expect('dead-at', 'zset') expectRecord(ARGV[2])
local value = redis.call('HGET', P .. 'dead', ARGV[2])
if not value then return 0 end
local m = string.sub(value, string.find(value, '\\n', 1, true) + 1)
if not string.find(m, '^%["1') then return 0 end
m = string.sub(m, 1, 12) .. '00' .. string.sub(m, 15)
redis.call('HDEL', P .. 'dead', ARGV[2])
redis.call('ZREM', P .. 'dead-at', ARGV[2])
local bucket, field = whereIs(ARGV[2])
redis.call('HDEL', P .. 'result:' .. bucket, field)
place(m)
return 1
`;

/** ARGV: prefix, id. Returns 1 where there was one. */
const DROP_DEAD = `${PRELUDE}
expect('dead', 'hash') expect('dead-at', 'zset')
redis.call('ZREM', P .. 'dead-at', ARGV[2])
return redis.call('HDEL', P .. 'dead', ARGV[2])
`;

export const SIDE_SCRIPTS = {
  hueyReadChord: READ_CHORD,
  hueyFreeUnique: FREE_UNIQUE,
  hueyAcquireLock: ACQUIRE_LOCK,
  hueyExtendLock: EXTEND_LOCK,
  hueyReleaseLock: RELEASE_LOCK,
  hueyIsLocked: IS_LOCKED,
  hueyFlushLocks: FLUSH_LOCKS,
  hueyRateLimit: RATE_LIMIT,
  hueyTakeKey: TAKE_KEY,
  hueyRetryDead: RETRY_DEAD,
  hueyDropDead: DROP_DEAD,
} as const;
