/**
 * The part of the Lua scripts (redis-scripts.ts) that stores new messages: ids that were enqueued before, unique keys, chords, and what
 * belongs to the end of a task. It comes after PRELUDE, HELD, PLACE and SETTLE (redis-lua.ts, redis-held-lua.ts), whose rules it keeps.
 */
import { DEDUPE_TTL_MS, END_MARKER_TTL_MS, ID_MARK_LIFE_MS } from '../limits.js';

/**
 * Storing new messages. `when` is '' (now), 'd' and ms (delay) or 'a' and ms since 1970; or, where there is more to say, JSON:
 * { when, unique: { key, onConflict, ttlMs }, replaces, ifKnown: { call, also, chord } }.
 */
export const STORE = `
local function checkItem(m)
  local id = idAndName(m)
  if not id or sbyte(m, 4) % 4 >= 2 and not string.find(m, '^%d%d%d%d%d%d%d%d%d%d%d%d%d', 26) then
    error('MALFORMED not a message of version 1', 0)
  end
  return id
end

-- Buckets whose memory of ids this call has met, and those that it prolonged.
local metBuckets, seenBuckets = {}, {}

local function prolong(key)
  if seenBuckets[key] then return end
  seenBuckets[key] = true
  redis.call('PEXPIRE', key, ${DEDUPE_TTL_MS})
end

-- Gives the bucket of a generated id.
local function meetId(id)
  if #id == 19 then
    local bucket = ssub(id, 1, 16)
    if metBuckets[bucket] and not sfind(id, '[^0-9a-z]', 17) then return bucket end
  end
  local bucket = whereIs(id)
  expectOnce('ids:' .. bucket, 'string')
  if bucket == id then return nil end
  metBuckets[bucket] = true
  return bucket
end

-- Remembers the ids at these positions of ARGV, all of one bucket: true where one is new.
local function rememberAll(bucket, positions, bits, isNewAt)
  local key = P .. 'ids:' .. bucket
  for from = 1, #positions, 200 do
    local to = math.min(from + 199, #positions)
    local ops = {}
    for i = from, to do
      local at = 4 * (i - from)
      ops[at + 1], ops[at + 2], ops[at + 3], ops[at + 4] = 'SET', 'u1', bits[i], 1
    end
    local were = redis.call('BITFIELD', key, unpack(ops))
    for i = from, to do isNewAt[positions[i]] = were[i - from + 1] == 0 end
  end
  prolong(key)
end

local function isNew(id)
  if not generated(id) then
    return redis.call('SET', P .. 'ids:' .. id, '1', 'NX', 'PX', ${DEDUPE_TTL_MS})
  end
  local key = P .. 'ids:' .. string.sub(id, 1, 16)
  local was = redis.call('SETBIT', key, tonumber(string.sub(id, 17), 36), 1)
  prolong(key)
  return was == 0
end

local function isKnown(id)
  if not generated(id) then return redis.call('EXISTS', P .. 'ids:' .. id) == 1 end
  return redis.call('GETBIT', P .. 'ids:' .. string.sub(id, 1, 16), tonumber(string.sub(id, 17), 36)) == 1
end

local earliest

local function store(m, when, plain)
  local care = sbyte(m, 4) - 48
  if care % 4 >= 2 then
    care = care - 2 + (care % 2 == 0 and 1 or 0)
    m = string.sub(m, 1, 3) .. string.char(48 + care) .. string.sub(m, 5, 25) .. stamp(now + tonumber(string.sub(m, 26, 38))) .. string.sub(m, 39)
  end
  local due = 0
  if when ~= '' then
    due = tonumber(string.sub(when, 2))
    if string.byte(when) == 100 then due = due + now end
  end
  if due > now then
    redis.call('ZADD', P .. 'scheduled', due, m)
    if due - now > ${ID_MARK_LIFE_MS} then redis.call('HSET', P .. 'far', (idAndName(m)), due) end
    if not earliest or due < earliest then earliest = due end
  elseif plain and (care % 2 == 0 or ssub(m, 13, 19) == '00+0000') then
    plain[#plain + 1] = m
  else
    place(m)
  end
end

-- By another's hand: what kept it from starting, or was to stop it, goes with its end.
local function settleOther(id, ttl, record)
  redis.call('HDEL', P .. 'cancels', id)
  forgetMark(id)
  settle(id, ttl, record)
end

-- It ends as revoked, unless it has started or ended.
local function replace(id)
  for _, consumer in ipairs(redis.call('ZRANGE', P .. 'consumers', 0, -1)) do
    if findHeld(consumer, id) then return end
  end
  if hasRecord(id) then return end
  settleOther(id, ${END_MARKER_TTL_MS / 1000}, 'r')
  markOne(id, 0, '1')
end

local function holderOf(key)
  local claim = redis.call('HGET', P .. 'unique', key)
  if not claim then return nil end
  local untilMs = tonumber(string.sub(claim, 1, 13))
  if untilMs > 0 and untilMs <= now then return nil end
  return string.sub(claim, 14)
end

local function freeUnique(key, id)
  if holderOf(key) == id then redis.call('HDEL', P .. 'unique', key) end
end

local checkOthers

-- Whatever an item may come upon that is to be stored, be it that it takes the place of another. Gives its id, and the
-- bucket of one that was generated and has nothing special.
local function checkStore(m, when)
  local id = checkItem(m)
  local bucket = meetId(id)
  if when == nil or sbyte(when) ~= 123 then return id, bucket end
  local item = cjson.decode(when)
  local holder = item.unique and holderOf(item.unique.key)
  expectRecord(id)
  if holder then expectRecord(holder) end
  if item.replaces then expectRecord(item.replaces) end
  if item.ifKnown then
    if item.ifKnown.call then expectOnce('ids:' .. (whereIs(item.ifKnown.call)), 'string') end
    checkOthers(item.ifKnown)
  end
  expectOnce('consumers', 'zset') expectOnce('marks', 'hash') expectOnce('cancels', 'hash')
  for _, consumer in ipairs(redis.call('ZRANGE', P .. 'consumers', 0, -1)) do expectHeldBy(consumer) end
  return id, nil
end

local tellOthers

-- Stores one item. Gives 'duplicate', or the id that has its unique key; nothing where it was stored.
local function storeItem(m, when, plain)
  local id = idAndName(m)
  if string.byte(when) ~= 123 then
    if not isNew(id) then return 'duplicate' end
    store(m, when, plain)
    return nil
  end
  local item = cjson.decode(when)
  local others = item.ifKnown
  if others and others.call and not isNew(others.call) then others = nil end
  local claim = item.unique
  local holder = claim and holderOf(claim.key)
  -- One that is known was stored, whoever has its key by now.
  if holder and holder ~= id and claim.onConflict ~= 'replace' and not isKnown(id) then return holder end
  if not isNew(id) then
    if others then tellOthers(others) end
    return 'duplicate'
  end
  if holder and holder ~= id then replace(holder) end
  if claim then
    redis.call('HSET', P .. 'unique', claim.key, stamp(claim.ttlMs > 0 and now + claim.ttlMs or 0) .. id)
  end
  if item.replaces then replace(item.replaces) end
  store(m, item.when, plain)
  return nil
end

-- Chords: size, callback, n (how many contributed), c0, c1, ... (what they contributed); after the end only 'fired'.
local function plan(chord)
  local key = P .. 'chord:' .. chord.id
  if redis.call('EXISTS', key) == 1 then return end
  redis.call('HSET', key, 'size', chord.size, 'callback', chord.callback)
  redis.call('PEXPIRE', key, ${ID_MARK_LIFE_MS})
end

local function contribute(chord)
  local key = P .. 'chord:' .. chord.id
  local size = tonumber(redis.call('HGET', key, 'size'))
  if not size or redis.call('HSETNX', key, 'c' .. chord.index, chord.value) == 0 then return end
  if redis.call('HINCRBY', key, 'n', 1) ~= size then return end
  storeItem(redis.call('HGET', key, 'callback'), '')
  redis.call('HDEL', key, 'callback')
end

local function endChord(id)
  redis.call('DEL', P .. 'chord:' .. id)
  redis.call('HSET', P .. 'chord:' .. id, 'fired', 1)
  redis.call('PEXPIRE', P .. 'chord:' .. id, ${DEDUPE_TTL_MS})
end

-- Whose end or count depends on this one.
function tellOthers(effects)
  for _, ended in ipairs(effects.also or {}) do
    if not hasRecord(ended.id) then settleOther(ended.id, ended.ttlSeconds, ended.record) end
  end
  if effects.chord then contribute(effects.chord) end
end

-- What belongs to the end of a task.
local function apply(effects, id)
  -- First, so that a next stage can take the key.
  if effects.freeUnique then freeUnique(effects.freeUnique, id) end
  for _, item in ipairs(effects.enqueue or {}) do storeItem(item.text, item.when) end
  tellOthers(effects)
  if effects.endChord then endChord(effects.endChord) end
end

function checkOthers(effects)
  if effects.also then expectOnce('marks', 'hash') expectOnce('cancels', 'hash') end
  for _, ended in ipairs(effects.also or {}) do expectRecord(ended.id) end
  if effects.chord then
    expectOnce('chord:' .. effects.chord.id, 'hash')
    local callback = redis.call('HGET', P .. 'chord:' .. effects.chord.id, 'callback')
    if callback then checkStore(callback, '') end
  end
end

local function checkEffects(effects)
  for _, item in ipairs(effects.enqueue or {}) do checkStore(item.text, item.when) end
  checkOthers(effects)
  return effects
end

local function expectLinks()
  expect('unique', 'hash')
end

local function hintScheduled()
  if not earliest then return end
  local first = redis.call('ZRANGE', P .. 'scheduled', 0, 0, 'WITHSCORES')
  if tonumber(first[2]) == earliest then redis.call('PUBLISH', P .. 'control', 's') end
end
`;
