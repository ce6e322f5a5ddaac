/**
 * The part of the Lua scripts (redis-scripts.ts) that knows what consumers hold. It comes after PRELUDE (redis-lua.ts), whose rules it keeps.
 *
 * A message in flight stands in `inflight`, by its id; or, while nothing was said of it alone, in a pack: the text of a
 * whole chunk under the receipt that the consumer got with it. Tasks that are quick come and go by the chunk, and a
 * field for each of them would cost as much as all the rest of its life. The first one of a pack that is asked for by
 * its id takes the pack apart, for good.
 *
 * A receipt is `lane.seq.number count bucket digest`, where the bucket is that of all its ids, or '-'. The digest is of the ids
 * in their order: who comes with another one, be it only in the middle, is taken at no word, and each id is looked for by itself.
 */

/** Fewer are as quick one by one, and most likely to end one by one. */
export const PACK_MIN = 3;

export const HELD = `
-- How much a consumer holds.
local function heldCount(consumer)
  local sum = redis.call('HLEN', P .. 'inflight:' .. consumer)
  for _, receipt in ipairs(redis.call('HKEYS', P .. 'packs:' .. consumer)) do
    sum = sum + (tonumber(smatch(receipt, '^%S+ (%d+) ')) or 0)
  end
  return sum
end

local function expectHeldBy(consumer)
  expectOnce('inflight:' .. consumer, 'hash') expectOnce('packs:' .. consumer, 'hash') expectOnce('lanes:' .. consumer, 'hash')
end

local function idOf(m)
  return smatch(m, '^[^ ]+', 39)
end

-- The messages of a chunk; none of them holds a line break.
local function messagesOf(text)
  local list, from = {}, 1
  repeat
    local at = sfind(text, ',\\n', from, true)
    list[#list + 1] = ssub(text, from, (at or 0) - 1)
    from = at and at + 2
  until not from
  return list
end

-- Puts them under their ids. A lane that may have to repeat the reply that they came with learns which they were.
local function takeApart(consumer, receipt, text)
  redis.call('HDEL', P .. 'packs:' .. consumer, receipt)
  local fields, ids = {}, {}
  for i, m in ipairs(messagesOf(text)) do
    ids[i] = idOf(m)
    fields[2 * i - 1], fields[2 * i] = ids[i], m
  end
  inGroups(fields, function(...) redis.call('HSET', P .. 'inflight:' .. consumer, ...) end)
  local lanes, lane, seq = P .. 'lanes:' .. consumer, smatch(receipt, '^(%d+)%.(%d+)%.')
  if lane and smatch(redis.call('HGET', lanes, lane) or '', '^%d+') == seq then
    redis.call('HSET', lanes, receipt, table.concat(ids, ' '))
  end
end

local function takeAllApart(consumer)
  local flat = redis.call('HGETALL', P .. 'packs:' .. consumer)
  for i = 1, #flat, 2 do takeApart(consumer, flat[i], flat[i + 1]) end
end

-- Whether a message of this id stands in the text of a chunk: at the start of one, and not among some arguments.
local function isWithin(text, id)
  local wanted, from = id .. ' ', 1
  while true do
    local at = sfind(text, wanted, from, true)
    if not at then return false end
    local start = at - 38
    if start == 1 or start > 2 and ssub(text, start - 2, start - 1) == ',\\n' then return true end
    from = at + 1
  end
end

-- Makes sure that it stands under its id, where this consumer has it at all.
local function findHeld(consumer, id)
  if redis.call('HEXISTS', P .. 'inflight:' .. consumer, id) == 1 then return true end
  local flat = redis.call('HGETALL', P .. 'packs:' .. consumer)
  for i = 1, #flat, 2 do
    if isWithin(flat[i + 1], id) then
      takeApart(consumer, flat[i], flat[i + 1])
      return true
    end
  end
  return false
end
`;
