/**
 * The scripts that cancel one invocation: its mark, the search for one that waits, its end. The rules that they keep and
 * the parts that they share stand in redis-lua.ts.
 */
import { ID_MARK_LIFE_MS } from '../limits.js';
import { HELD } from './redis-held-lua.js';
import { PLACE, PRELUDE, SETTLE } from './redis-lua.js';
import { SLOTS } from './redis-slots-lua.js';
import { STORE } from './redis-store-lua.js';

/** Messages in one portion of a search: about a millisecond, in which the server does nothing else. */
const LOOK_MESSAGES = 1000;
/** A list is read from its tail, where new ones come; what others take out of it meanwhile moves the rest by so many at most. */
const OVERLAP = 200;

/**
 * Looked through in this order: what becomes ready behind the search is found in front of it. Between ready and parked
 * messages move both ways; it is one look to see whether one is parked.
 */
export const WAITING_PLACES = ['parked', 'scheduled', 'hi', 'ready', 'lo', 'suspects', 'parked'] as const;

const STATE = `${HELD}
local function isHeld(id)
  for _, consumer in ipairs(redis.call('ZRANGE', P .. 'consumers', 0, -1)) do
    if findHeld(consumer, id) then return true end
    local m = redis.call('LINDEX', P .. 'landing:' .. consumer, 0)
    if m and idAndName(m) == id then return true end
  end
  return false
end

local function stateOf(id)
  if hasRecord(id) or redis.call('HEXISTS', P .. 'dead', id) == 1 then return 'ended' end
  return isHeld(id) and 'running' or 'waiting'
end
expectMarks() expectRecords() expect('consumers', 'zset')
`;

/** ARGV: prefix, id. Returns ended, running or waiting. */
const CANCEL = `${PRELUDE}${SETTLE}${STATE}
local id = ARGV[2]
local state = stateOf(id)
if state == 'ended' then return state end
free()
local due = tonumber(redis.call('HGET', P .. 'far', id) or 0)
redis.call('HSET', P .. 'cancels', id, stamp(math.max(now, due) + ${ID_MARK_LIFE_MS}))
if state == 'running' then redis.call('PUBLISH', P .. 'control', 'c' .. id) end
return state
`;

/** ARGV: prefix, id. Returns as CANCEL; waiting = the mark was taken back. */
const WITHDRAW_CANCEL = `${PRELUDE}${SETTLE}${STATE}
local state = stateOf(ARGV[2])
if state == 'waiting' then redis.call('HDEL', P .. 'cancels', ARGV[2]) end
return state
`;

/** ARGV: prefix, id, place, cursor ('0' to begin). Returns the message or '', the next cursor or ''. */
const LOOK_FOR_WAITING = `${PRELUDE}
local start, name, cursor = ARGV[2] .. ' ', ARGV[3], ARGV[4]
local function isIt(m)
  return string.sub(m, 39, 38 + #start) == start
end
if name == 'parked' then
  local parked = redis.call('HGET', P .. 'parked', ARGV[2])
  return {parked and string.sub(parked, 22) or '', ''}
end
if name == 'ready' or name == 'suspects' then
  expect(name, 'list')
  local from = tonumber(cursor)
  local page = redis.call('LRANGE', P .. name, -(from + ${LOOK_MESSAGES}), -(from + 1))
  for _, m in ipairs(page) do
    if isIt(m) then return {m, ''} end
  end
  return {'', #page < ${LOOK_MESSAGES} and '' or tostring(from + ${LOOK_MESSAGES - OVERLAP})}
end
expect(name, 'zset')
local scanned = redis.call('ZSCAN', P .. name, cursor, 'COUNT', ${LOOK_MESSAGES})
for i = 1, #scanned[2], 2 do
  if isIt(scanned[2][i]) then return {scanned[2][i], ''} end
end
return {'', scanned[1] == '0' and '' or scanned[1]}
`;

/** ARGV: prefix, place, message, record, ttl seconds, effects (JSON or ''). Returns 1 where it stood there. */
const END_WAITING = `${PRELUDE}${HELD}${PLACE}${SLOTS}${SETTLE}${STORE}
expectPlaces() expectSlots() expectRecords() expectLinks()
local name, m = ARGV[2], ARGV[3]
checkItem(m)
local id, _, key = idAndName(m)
local effects = ARGV[6] ~= '' and checkEffects(cjson.decode(ARGV[6]))
free()
local taken
if name == 'parked' then
  taken = takeParked(id, m, key)
elseif name == 'ready' or name == 'suspects' then
  taken = redis.call('LREM', P .. name, 1, m)
else
  taken = redis.call('ZREM', P .. name, m)
end
if taken == 0 then return 0 end
giveUpTurn(id, key)
placeFreed()
redis.call('HDEL', P .. 'far', id)
settle(id, tonumber(ARGV[5]), ARGV[4])
forgetMark(id)
redis.call('HDEL', P .. 'cancels', id)
if effects then apply(effects, id) end
flushSettled()
hintScheduled()
-- A consumer may be waiting for what stood behind it, beside the list it waits at.
if redis.call('LLEN', P .. 'ready') == 0 and redis.call('ZCARD', P .. 'hi') + redis.call('ZCARD', P .. 'lo') + redis.call('LLEN', P .. 'suspects') > 0 then
  ring()
end
return 1
`;

export const CANCEL_SCRIPTS = {
  hueyCancel: CANCEL,
  hueyWithdrawCancel: WITHDRAW_CANCEL,
  hueyLookForWaiting: LOOK_FOR_WAITING,
  hueyEndWaiting: END_WAITING,
} as const;
