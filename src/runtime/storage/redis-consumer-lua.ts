/**
 * The parts of the Lua scripts (redis-scripts.ts) that concern consumers: who is heard, and what becomes of what the dead held.
 * They come after PRELUDE, PLACE (redis-lua.ts) and SLOTS (redis-slots-lua.ts), whose rules they keep.
 */
import { SUSPECT_LAPSES } from '../limits.js';

/** Whoever is heard: keeps the time since when there was no gap. */
export const HEARD = `
local function noteGap(lease)
  local last = tonumber(redis.call('HGET', P .. 'clock', 'last') or 0)
  if now - last > lease / 2 or now < last then redis.call('HSET', P .. 'clock', 'awake', now) end
  if now < last then
    for _, consumer in ipairs(redis.call('ZRANGEBYSCORE', P .. 'consumers', now + lease, '+inf')) do
      redis.call('ZADD', P .. 'consumers', now + lease, consumer)
    end
    redis.call('HSET', P .. 'clock', 'last', now)
  end
end

local function heard(consumer, lease)
  free()
  noteGap(lease)
  redis.call('HSET', P .. 'clock', 'last', now)
  redis.call('ZADD', P .. 'consumers', now + lease, consumer)
end
`;

/** How often consumers were asked to reload. */
export const RELOADS = `
local function reloads()
  return tonumber(redis.call('HGET', P .. 'clock', 'reloads') or 0)
end
`;

/** What a consumer held goes back to the head, in the order of the ids; `change` may rewrite a message or keep it. */
export const GIVE_BACK = `
local function expectHeld(consumer)
  expectHeldBy(consumer) expect('landing:' .. consumer, 'list') expectSlots()
end

local function giveBack(consumer, change)
  local count = 0
  takeAllApart(consumer)
  local flat = redis.call('HGETALL', P .. 'inflight:' .. consumer)
  redis.call('DEL', P .. 'inflight:' .. consumer, P .. 'lanes:' .. consumer)
  giveLandingBack(consumer)
  redis.call('ZREM', P .. 'consumers', consumer)
  local names = redis.call('HGETALL', P .. 'instances')
  for i = 1, #names, 2 do
    if names[i + 1] == consumer then redis.call('HDEL', P .. 'instances', names[i]) end
  end
  local ids, texts = {}, {}
  for i = 1, #flat, 2 do
    ids[#ids + 1] = flat[i]
    texts[flat[i]] = flat[i + 1]
  end
  table.sort(ids, function(a, b) return a > b end)
  for i = #ids, 1, -1 do leaveSlot(ids[i]) end
  placeFreed()
  for _, id in ipairs(ids) do
    local m = change(id, texts[id])
    if m then
      place(m, true)
      count = count + 1
    end
  end
  return count
end
`;

/** A message that a death gives back: a lapse more, and for one that ran alone a death too. */
export const CHARGE = `
local digits = '0123456789abcdefghijklmnopqrstuvwxyz'

local function up(m, at)
  local value = math.min(tonumber(string.sub(m, at, at), 36) + 1, 35)
  return string.sub(m, 1, at - 1) .. string.sub(digits, value + 1, value + 1) .. string.sub(m, at + 1)
end

local function charge(_, m)
  local lapses = tonumber(string.sub(m, 13, 13), 36)
  local care = string.byte(m, 4) - 48
  if care % 2 == 0 then m = string.sub(m, 1, 3) .. string.char(49 + care) .. string.sub(m, 5) end
  m = up(m, 13)
  return lapses < ${SUSPECT_LAPSES} and m or up(m, 14)
end
`;
