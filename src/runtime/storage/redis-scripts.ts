/**
 * The Lua scripts, one for each verb of the storage. Each says what ARGV it takes and what it returns. The rules that they keep
 * and the parts that they share stand in redis-lua.ts, redis-slots-lua.ts and redis-consumer-lua.ts; what stands beside the life of a task in redis-side-scripts.ts.
 */
import { GONE_PAYLOAD } from '../completion.js';
import { CANCEL_SCRIPTS } from './redis-cancel-scripts.js';
import { CHARGE, GIVE_BACK, HEARD, RELOADS } from './redis-consumer-lua.js';
import { ENQUEUE_SCRIPTS } from './redis-enqueue-scripts.js';
import { HELD } from './redis-held-lua.js';
import { PLACE, PRELUDE, SETTLE, WHERE } from './redis-lua.js';
import { QUICK_STEP } from './redis-quick-step.js';
import { STORE } from './redis-store-lua.js';
import { SIDE_SCRIPTS } from './redis-side-scripts.js';
import { SLOTS } from './redis-slots-lua.js';
import { STEP } from './redis-step-script.js';

/**
 * ARGV: prefix, consumer, lease ms, instance or '', take over (0 or 1). Returns now, who had the instance's name or '',
 * how many of its tasks were given back (-1 = it has the name still, and nothing was changed), how often a reload was asked for.
 */
const REGISTER = `${PRELUDE}${HELD}${PLACE}${SLOTS}${HEARD}${RELOADS}${GIVE_BACK}${CHARGE}
expectPlaces() expect('consumers', 'zset') expect('clock', 'hash') expect('instances', 'hash')
local name, former, tasks = ARGV[4], false, 0
if name ~= '' then former = redis.call('HGET', P .. 'instances', name) end
if former == ARGV[2] or not former or not redis.call('ZSCORE', P .. 'consumers', former) then former = '' end
if former ~= '' and ARGV[5] ~= '1' then return {now, former, -1} end
if former ~= '' then expectHeld(former) end
heard(ARGV[2], tonumber(ARGV[3]))
if former ~= '' then tasks = giveBack(former, charge) end
if name ~= '' then redis.call('HSET', P .. 'instances', name, ARGV[2]) end
return {now, former, tasks, reloads()}
`;

/** ARGV: prefix, consumer, lease ms. Returns now, held, landing, ids in flight that are canceled, how often a reload was asked for. Error REAPED where it is not registered. */
const BEAT = `${PRELUDE}${HELD}${HEARD}${RELOADS}
expect('consumers', 'zset') expect('clock', 'hash') expectMarks()
if not redis.call('ZSCORE', P .. 'consumers', ARGV[2]) then return redis.error_reply('REAPED ' .. ARGV[2]) end
expectHeldBy(ARGV[2]) expect('landing:' .. ARGV[2], 'list')
heard(ARGV[2], tonumber(ARGV[3]))
local landing = redis.call('LLEN', P .. 'landing:' .. ARGV[2])
local canceled = {}
for _, id in ipairs(redis.call('HKEYS', P .. 'cancels')) do
  if findHeld(ARGV[2], id) then canceled[#canceled + 1] = id end
end
return {now, heldCount(ARGV[2]) + landing, landing, canceled, reloads()}
`;

/** ARGV: prefix. Returns how many consumers there are. */
const REQUEST_RELOAD = `${PRELUDE}
expect('consumers', 'zset') expect('clock', 'hash')
free()
redis.call('PUBLISH', P .. 'control', 'r' .. redis.call('HINCRBY', P .. 'clock', 'reloads', 1))
return redis.call('ZCARD', P .. 'consumers')
`;

/** ARGV: prefix, consumer. */
const UNREGISTER = `${PRELUDE}${HELD}${PLACE}${SLOTS}${GIVE_BACK}
expectPlaces() expectHeld(ARGV[2]) expect('consumers', 'zset') expect('instances', 'hash')
free()
return giveBack(ARGV[2], function(_, m) return m end)
`;

/** ARGV: prefix, consumer. Returns how many are in flight. */
const HELD_COUNT = `${PRELUDE}${HELD}
expectHeldBy(ARGV[2])
return heldCount(ARGV[2])
`;

/** ARGV: prefix, consumer. Returns the ids in flight. */
const HELD_IDS = `${PRELUDE}${HELD}
expectHeldBy(ARGV[2])
takeAllApart(ARGV[2])
return redis.call('HKEYS', P .. 'inflight:' .. ARGV[2])
`;

/** ARGV: prefix, consumer, ids. Returns how many were given back. */
const RELEASE = `${PRELUDE}${HELD}${PLACE}${SLOTS}
expectPlaces() expectSlots() expectHeldBy(ARGV[2])
free()
local back = {}
for i = 3, #ARGV do
  if findHeld(ARGV[2], ARGV[i]) then
    back[#back + 1] = redis.call('HGET', P .. 'inflight:' .. ARGV[2], ARGV[i])
    redis.call('HDEL', P .. 'inflight:' .. ARGV[2], ARGV[i])
    leaveSlot(ARGV[i])
  end
end
placeFreed()
for i = #back, 1, -1 do place(back[i], true) end
return #back
`;

/** ARGV: prefix, lease ms. Returns now, tasks given back, then the consumers. */
const REAP = `${PRELUDE}${HELD}${PLACE}${SLOTS}${HEARD}${GIVE_BACK}${CHARGE}
expectPlaces() expectMarks() expect('consumers', 'zset') expect('clock', 'hash') expect('instances', 'hash')
local lease = tonumber(ARGV[2])
for _, consumer in ipairs(redis.call('ZRANGEBYSCORE', P .. 'consumers', '-inf', now, 'LIMIT', 0, 20)) do expectHeld(consumer) end
free()
noteGap(lease)
local awake = tonumber(redis.call('HGET', P .. 'clock', 'awake') or 0)
local gone = {}
if awake + lease <= now then gone = redis.call('ZRANGEBYSCORE', P .. 'consumers', '-inf', now, 'LIMIT', 0, 20) end

-- Every consumer looks for dead ones now and then: a good moment to forget a few marks that nothing used up.
local function sweep(name, isInForce)
  local swept = redis.call('HSCAN', P .. name, redis.call('HGET', P .. 'clock', name) or 0, 'COUNT', 100)
  for i = 1, #swept[2], 2 do
    if not isInForce(swept[2][i + 1]) then redis.call('HDEL', P .. name, swept[2][i]) end
  end
  redis.call('HSET', P .. 'clock', name, swept[1])
end
sweep('marks', inForce)
sweep('cancels', function(ends) return tonumber(ends) > now end)

local reply, tasks = {now, 0}, 0
for _, consumer in ipairs(gone) do
  tasks = tasks + giveBack(consumer, charge)
  reply[#reply + 1] = consumer
end
reply[2] = tasks
return reply
`;

/** ARGV: prefix, limit. Returns now, promoted, and when the next is due or ''. */
const PROMOTE = `${PRELUDE}${PLACE}
expectPlaces()
local due = redis.call('ZRANGEBYSCORE', P .. 'scheduled', '-inf', now, 'LIMIT', 0, tonumber(ARGV[2]))
if #due > 0 then
  inGroups(due, function(...) redis.call('ZREM', P .. 'scheduled', ...) end)
  for _, m in ipairs(due) do place(m) end
  if redis.call('EXISTS', P .. 'far') == 1 then
    for _, m in ipairs(due) do redis.call('HDEL', P .. 'far', idAndName(m) or '') end
  end
end
local next = redis.call('ZRANGE', P .. 'scheduled', 0, 0, 'WITHSCORES')
return {now, #due, next[2] or ''}
`;

/** ARGV: prefix, task, minute ms, message. Returns 1 where this call enqueued the tick. */
const TICK = `${PRELUDE}${HELD}${PLACE}${SETTLE}${STORE}
expectPlaces() expect('ticks', 'hash')
local minute = tonumber(ARGV[3])
checkItem(ARGV[4])
local last = tonumber(redis.call('HGET', P .. 'ticks', ARGV[2]) or 0)
if minute > now or minute <= last then return 0 end
redis.call('HSET', P .. 'ticks', ARGV[2], ARGV[3])
store(ARGV[4], '')
return 1
`;

/** ARGV: prefix, minute ms, tasks. Keeps later minutes. */
const SKIP_TICKS = `${PRELUDE}
expect('ticks', 'hash')
free()
for i = 3, #ARGV do
  local last = tonumber(redis.call('HGET', P .. 'ticks', ARGV[i]) or 0)
  if tonumber(ARGV[2]) > last then redis.call('HSET', P .. 'ticks', ARGV[i], ARGV[2]) end
end
return 1
`;

/** ARGV: prefix, ids. Returns a record or '' for each. */
const READ_RESULTS = `${WHERE}
local P, time, records = ARGV[1], redis.call('TIME'), {}
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #ARGV do
  local id = ARGV[i]
  local bucket, field = whereIs(id)
  local value = redis.call('HGET', P .. 'result:' .. bucket, field)
  records[i - 1] = value and tonumber(string.sub(value, 1, 13)) > now and string.sub(value, 14) or ''
end
return records
`;

/** ARGV: prefix, ids. A value is replaced by the mark of one that was read; the state stays. */
const REMOVE_RESULTS = `${WHERE}
local ended = {}
for i = 2, #ARGV do
  local bucket, field = whereIs(ARGV[i])
  local key = ARGV[1] .. 'result:' .. bucket
  local value = redis.call('HGET', key, field)
  if value and #value > 14 then ended[#ended + 1] = {key, field, string.sub(value, 1, 14) .. '${GONE_PAYLOAD}'} end
end
for _, one in ipairs(ended) do redis.call('HSET', unpack(one)) end
return 1
`;

/** ARGV: prefix, 'i' (one invocation) or 't' (a task), id or name, until ms (0 = none), once (0 or 1). */
const REVOKE = `${PRELUDE}${SETTLE}
expectMarks()
if ARGV[2] == 'i' then
  markOne(ARGV[3], tonumber(ARGV[4]), ARGV[5])
else
  redis.call('HSET', P .. 'marks', 't:' .. ARGV[3], stamp(tonumber(ARGV[4])) .. ARGV[5] .. stamp(0))
end
return 1
`;

/** ARGV: prefix, 'i' or 't', id or name, remove (0 or 1). Returns the mark in force (until, once) or ''. */
const READ_MARK = `${PRELUDE}
expectMarks()
local field = ARGV[2] .. ':' .. ARGV[3]
local mark = redis.call('HGET', P .. 'marks', field)
if not mark then return '' end
if ARGV[4] == '1' then redis.call('HDEL', P .. 'marks', field) end
return inForce(mark) and string.sub(mark, 1, 14) or ''
`;

/** name of the command -> Lua. All take one key. */
const SCRIPTS = {
  ...SIDE_SCRIPTS,
  ...CANCEL_SCRIPTS,
  ...ENQUEUE_SCRIPTS,
  hueyStep: STEP,
  hueyQuickStep: QUICK_STEP,
  hueyRegister: REGISTER,
  hueyBeat: BEAT,
  hueyRequestReload: REQUEST_RELOAD,
  hueyHeld: HELD_IDS,
  hueyHeldCount: HELD_COUNT,
  hueyRelease: RELEASE,
  hueyUnregister: UNREGISTER,
  hueyReap: REAP,
  hueyPromote: PROMOTE,
  hueyTick: TICK,
  hueySkipTicks: SKIP_TICKS,
  hueyReadResults: READ_RESULTS,
  hueyRemoveResults: REMOVE_RESULTS,
  hueyRevoke: REVOKE,
  hueyReadMark: READ_MARK,
} as const;

export type ScriptName = keyof typeof SCRIPTS;

/** The scripts as a server gets them; they know whether it is one of a cluster. */
export function scriptsFor(inCluster: boolean): Record<ScriptName, string> {
  const texts = Object.entries(SCRIPTS).map(([name, lua]) => [name, `local inCluster = ${inCluster}\n${lua}`]);
  return Object.fromEntries(texts) as Record<ScriptName, string>;
}
