/** The scripts that store what a producer enqueues: one for whatever it is, and a short one for what nearly all of it is. */
import { DEDUPE_TTL_MS } from '../limits.js';
import { HELD } from './redis-held-lua.js';
import { PLACE, PRELUDE, SETTLE } from './redis-lua.js';
import { STORE } from './redis-store-lua.js';

/**
 * ARGV: prefix, chords (JSON: [{ id, size, callback }], or ''), then for each item: message, when.
 * Returns the positions (from 0) of those that were enqueued before, then for each that gave way to the holder of its
 * unique key: its position as text, the holder's id.
 */
const ENQUEUE = `${PRELUDE}${HELD}${PLACE}${SETTLE}${STORE}
expectPlaces() expectLinks() expectMarks()
-- Most ids are generated and stand beside others of their bucket, which is asked once for all of them.
local buckets, positionsOf, bitsOf = {}, {}, {}
for i = 3, #ARGV, 2 do
  local id, bucket = checkStore(ARGV[i], ARGV[i + 1])
  if bucket then
    local positions, bits = positionsOf[bucket], bitsOf[bucket]
    if not positions then
      positions, bits = {}, {}
      positionsOf[bucket], bitsOf[bucket] = positions, bits
      buckets[#buckets + 1] = bucket
    end
    local n = #positions + 1
    positions[n], bits[n] = i, tonumber(ssub(id, 17), 36)
  end
end
local chords = ARGV[2] ~= '' and cjson.decode(ARGV[2]) or {}
for _, chord in ipairs(chords) do
  checkItem(chord.callback)
  expect('chord:' .. chord.id, 'hash')
end
for _, chord in ipairs(chords) do plan(chord) end
local isNewAt = {}
for _, bucket in ipairs(buckets) do rememberAll(bucket, positionsOf[bucket], bitsOf[bucket], isNewAt) end
local reply, conflicts, plain = {}, {}, {}
for i = 3, #ARGV, 2 do
  local refused
  if isNewAt[i] == nil then
    refused = storeItem(ARGV[i], ARGV[i + 1], plain)
  elseif isNewAt[i] then
    store(ARGV[i], ARGV[i + 1], plain)
  else
    refused = 'duplicate'
  end
  local position = (i - 3) / 2
  if refused == 'duplicate' then
    reply[#reply + 1] = position
  elseif refused then
    conflicts[#conflicts + 1] = tostring(position)
    conflicts[#conflicts + 1] = refused
  end
end
if #plain > 0 then unring() end
inGroups(plain, function(...) redis.call('RPUSH', P .. 'ready', ...) end)
flushSettled()
hintScheduled()
for _, value in ipairs(conflicts) do reply[#reply + 1] = value end
return reply
`;

/**
 * ARGV: prefix, then messages that can start at once, have generated ids, and nothing to look at but that: as many in one call as a
 * producer sends. It does what ENQUEUE does with them, without the two thirds of it that are for others. Returns the positions (from 0)
 * of those that were enqueued before; or false, where one of them is something else after all, and nothing was stored.
 */
const ENQUEUE_PLAIN = `
local P, ready = ARGV[1], ARGV[1] .. 'ready'
local ssub, sfind, sbyte = string.sub, string.find, string.byte

local function isPlain(m)
  local a, b, version, care = sbyte(m, 1, 4)
  return a == 91 and b == 34 and version == 49 and (care == 48 or care == 52) and not sfind(m, '\\n', 1, true)
    and sfind(m, '^[0-9a-z][0-9a-z][0-9a-z] [^"\\\\%c]+",', 55)
end

-- A ring is no message, and never beside one. A wrong type of any key stops the script before the first write.
local rung = redis.call('LINDEX', ready, '0') == ''

if #ARGV == 2 then
  local m = ARGV[2]
  local bucket = ssub(m, 39, 54)
  if not isPlain(m) or sfind(bucket, '[^0-9a-z]') then return false end
  local key = P .. 'ids:' .. bucket
  if redis.call('SETBIT', key, string.format('%d', tonumber(ssub(m, 55, 57), 36)), '1') == 1 then return {0} end
  redis.call('PEXPIRE', key, '${DEDUPE_TTL_MS}')
  if rung then redis.call('LPOP', ready) end
  redis.call('RPUSH', ready, m)
  return {}
end

-- By bucket: the numbers of the ids in it, where they stand in ARGV, and the bytes of its memory that they concern.
local groups, list, start, group = {}, {}, nil, nil
for i = 2, #ARGV do
  local m = ARGV[i]
  if not isPlain(m) then return false end
  local bucket = ssub(m, 39, 54)
  if bucket ~= start then
    if sfind(bucket, '[^0-9a-z]') then return false end
    group, start = groups[bucket], bucket
    if not group then
      group = {key = P .. 'ids:' .. bucket, n = 0, numbers = {}, at = {}, first = math.huge, last = 0}
      redis.call('GETRANGE', group.key, '0', '0')
      groups[bucket], list[#list + 1] = group, group
    end
  end
  local number, n = tonumber(ssub(m, 55, 57), 36), group.n + 1
  group.n, group.numbers[n], group.at[n] = n, number, i
  if number < group.first then group.first = number end
  if number > group.last then group.last = number end
end

local known, knownCount = {}, 0
for _, g in ipairs(list) do
  local first, last = math.floor(g.first / 8), math.floor(g.last / 8)
  local bytes = {sbyte(redis.call('GETRANGE', g.key, first, last), 1, -1)}
  for i = #bytes + 1, last - first + 1 do bytes[i] = 0 end
  for n = 1, g.n do
    local bit = g.numbers[n] % 8
    local at, weight = (g.numbers[n] - bit) / 8 - first + 1, 2 ^ (7 - bit)
    local byte = bytes[at]
    if byte % (2 * weight) >= weight then
      knownCount = knownCount + 1
      known[knownCount] = g.at[n]
    else
      bytes[at] = byte + weight
    end
  end
  redis.call('SETRANGE', g.key, first, string.char(unpack(bytes)))
  redis.call('PEXPIRE', g.key, ${DEDUPE_TTL_MS})
end

local fresh, from = ARGV, 2
if knownCount > 0 then
  table.sort(known)
  fresh, from = {}, 1
  local skipped = 1
  for i = 2, #ARGV do
    if i == known[skipped] then skipped = skipped + 1 else fresh[#fresh + 1] = ARGV[i] end
  end
end
if rung and #fresh >= from then redis.call('LPOP', ready) end
for i = from, #fresh, 800 do redis.call('RPUSH', ready, unpack(fresh, i, math.min(i + 799, #fresh))) end
for i, at in ipairs(known) do known[i] = at - 2 end
return known
`;

/** name of the command -> Lua. */
export const ENQUEUE_SCRIPTS = { hueyEnqueue: ENQUEUE, hueyEnqueuePlain: ENQUEUE_PLAIN } as const;
