/**
 * The part of the Lua scripts (redis-scripts.ts) that concerns keyed messages: who has a slot of a key, who waits for one.
 * It comes after PRELUDE and PLACE (redis-lua.ts), whose rules it keeps.
 *
 *  - A slot belongs to an id in flight. It is taken when a message is leased, and is free as soon as the id is in flight no
 *    more, whatever took it out; `holders` says once for each id that it has one, `slots` counts them by key.
 *  - Whoever finds no free slot when it is leased is parked: not looked at again until it is freed.
 *  - Each slot that becomes free frees the next one of the key: it goes to the head of where it can be leased, and keeps its
 *    turn until it has a slot, so that one that is overtaken is parked where it stood.
 *  - So while one of a key is parked, another of this key is in flight, or was freed and can be leased.
 */

export const SLOTS = `
local slotsOn = redis.call('EXISTS', P .. 'holders', P .. 'slots', P .. 'limits', P .. 'parked', P .. 'line', P .. 'turns') > 0

local function expectSlots()
  if not slotsOn then return end
  expect('holders', 'hash') expect('slots', 'hash') expect('limits', 'hash')
  expect('parked', 'hash') expect('line', 'zset') expect('turns', 'hash')
end

local freed = {}

-- Frees the next one of a key, where it has a slot to take.
local function freeNext(key)
  local count = tonumber(redis.call('HGET', P .. 'slots', key) or 0)
  if count >= tonumber(redis.call('HGET', P .. 'limits', key) or 1) then return end
  -- A key has no blank, and '!' is what comes next.
  local next = redis.call('ZRANGEBYLEX', P .. 'line', '[' .. key .. ' ', '(' .. key .. '!', 'LIMIT', 0, 1)[1]
  if not next then
    if count == 0 then redis.call('HDEL', P .. 'limits', key) end
    return
  end
  local id = string.sub(next, #key + 24)
  redis.call('ZREM', P .. 'line', next)
  local parked = redis.call('HGET', P .. 'parked', id)
  if not parked then return freeNext(key) end
  redis.call('HDEL', P .. 'parked', id)
  redis.call('HSET', P .. 'turns', id, string.sub(parked, 1, 21))
  freed[#freed + 1] = string.sub(parked, 22)
end

-- To the head, in the order in which they were freed.
local function placeFreed()
  for i = #freed, 1, -1 do place(freed[i], true) end
  freed = {}
end

-- It was in flight and is no more.
local function leaveSlot(id)
  if not slotsOn then return end
  local key = redis.call('HGET', P .. 'holders', id)
  if not key then return end
  redis.call('HDEL', P .. 'holders', id)
  if redis.call('HINCRBY', P .. 'slots', key, -1) <= 0 then redis.call('HDEL', P .. 'slots', key) end
  freeNext(key)
end

-- It could be leased and will not run: where it was freed to do so, the next one is.
local function giveUpTurn(id, key)
  if key and redis.call('HDEL', P .. 'turns', id) == 1 then freeNext(key) end
end

-- What comes first in the line of its key: a higher priority, then who came before.
local function newTurn(m)
  local priority = string.byte(m, 4) % 2 == 1 and tonumber(string.sub(m, 15, 19)) or 0
  return string.format('%05.0f%016.0f', 10000 - priority, redis.call('HINCRBY', P .. 'arrivals', 'parked', 1))
end

-- True where it may run; otherwise it is parked.
local function takeSlot(id, m, key, limit)
  slotsOn = true
  local turn = redis.call('HGET', P .. 'turns', id)
  if turn then
    redis.call('HDEL', P .. 'turns', id)
    limit = tonumber(redis.call('HGET', P .. 'limits', key)) or limit
  else
    -- The limit of whoever came last counts for all.
    redis.call('HSET', P .. 'limits', key, limit)
  end
  if tonumber(redis.call('HGET', P .. 'slots', key) or 0) < limit then
    if redis.call('HSETNX', P .. 'holders', id, key) == 1 then redis.call('HINCRBY', P .. 'slots', key, 1) end
    return true
  end
  turn = turn or newTurn(m)
  local old = redis.call('HGET', P .. 'parked', id)
  if old then redis.call('ZREM', P .. 'line', key .. ' ' .. string.sub(old, 1, 21) .. ' ' .. id) end
  redis.call('HSET', P .. 'parked', id, turn .. m)
  redis.call('ZADD', P .. 'line', 0, key .. ' ' .. turn .. ' ' .. id)
  return false
end

-- Takes exactly this message out of those that are parked.
local function takeParked(id, m, key)
  local parked = redis.call('HGET', P .. 'parked', id)
  if not parked or string.sub(parked, 22) ~= m then return 0 end
  redis.call('ZREM', P .. 'line', (key or '') .. ' ' .. string.sub(parked, 1, 21) .. ' ' .. id)
  return redis.call('HDEL', P .. 'parked', id)
end
`;
