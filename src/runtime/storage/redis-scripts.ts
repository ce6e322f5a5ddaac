/**
 * The Lua scripts, one for each verb of the storage. Each says what ARGV it takes and what it returns. The rules that they keep
 * and the parts that they share stand in redis-lua.ts; what stands beside the life of a task in redis-side-scripts.ts.
 */
import { GONE_PAYLOAD } from '../completion.js';
import { DEATHS_MAX, END_MARKER_TTL_MS, SUSPECT_LAPSES, UNKNOWN_TASK_TTL_MS } from '../limits.js';
import { GIVE_BACK, HEARD, PLACE, PRELUDE, SETTLE, STORE } from './redis-lua.js';
import { SIDE_SCRIPTS } from './redis-side-scripts.js';

/**
 * ARGV: prefix, chords (JSON: [{ id, size, callback }], or ''), then for each item: message, when.
 * Returns the positions (from 0) of those that were enqueued before, then for each that gave way to the holder of its
 * unique key: its position as text, the holder's id.
 */
const ENQUEUE = `${PRELUDE}${PLACE}${SETTLE}${STORE}
expectPlaces() expectLinks() expect('marks', 'hash')
for i = 3, #ARGV, 2 do checkItem(ARGV[i]) end
local chords = ARGV[2] ~= '' and cjson.decode(ARGV[2]) or {}
for _, chord in ipairs(chords) do
  checkItem(chord.callback)
  expect('chord:' .. chord.id, 'hash')
end
local reply, conflicts, plain = {}, {}, {}
for i = 3, #ARGV, 2 do
  local refused = storeItem(ARGV[i], ARGV[i + 1], plain)
  local position = (i - 3) / 2
  if refused == 'duplicate' then
    reply[#reply + 1] = position
  elseif refused then
    conflicts[#conflicts + 1] = tostring(position)
    conflicts[#conflicts + 1] = refused
  end
end
for _, chord in ipairs(chords) do plan(chord) end
if #plain > 0 then unring() end
inGroups(plain, function(...) redis.call('RPUSH', P .. 'ready', ...) end)
flushSettled()
hintScheduled()
for _, value in ipairs(conflicts) do reply[#reply + 1] = value end
return reply
`;

/**
 * ARGV: prefix, consumer, lane, seq, chunks, chunk size, solo (0 or 1), number of blobs, the blobs (completion.ts),
 * then transitions, flat:
 *   'S', id, record, ttl seconds, effects
 *   'Q', id, message, delay ms, 'head' or 'tail', effects
 *   'B', id, message, reason, record, ttl seconds, effects
 * Effects are JSON or ''.
 * Returns now, committed, refused, left, held, dropped (JSON), solo message or '', then text and count of each chunk.
 * Errors: REAPED where the consumer is not registered, STALE where the lane's number is an old one.
 */
const STEP = `${PRELUDE}${PLACE}${SETTLE}${STORE}
local consumer, lane, seq = ARGV[2], ARGV[3], tonumber(ARGV[4])
local chunks, size, solo = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
local inflight, landing, lanes = P .. 'inflight:' .. consumer, P .. 'landing:' .. consumer, P .. 'lanes:' .. consumer

expect('consumers', 'zset')
if not redis.call('ZSCORE', P .. 'consumers', consumer) then
  expectPlaces() expect('landing:' .. consumer, 'list')
  free()
  giveLandingBack(consumer)
  return redis.error_reply('REAPED ' .. consumer)
end

local function held()
  return redis.call('HLEN', inflight) + redis.call('LLEN', landing)
end

local function left()
  return redis.call('LLEN', P .. 'ready') + redis.call('ZCARD', P .. 'hi') + redis.call('ZCARD', P .. 'lo')
end

-- Lost replies: the same call again gets the same answer.
local last = redis.call('HGET', lanes, lane)
if last then
  last = cjson.decode(last)
  if last.seq > seq then return redis.error_reply('STALE lane ' .. lane .. ' is at ' .. last.seq) end
  if last.seq == seq then
    local again = {}
    local alone, from, first = '', 1, nil
    local function read(...)
      for _, m in ipairs(redis.call('HMGET', inflight, ...)) do
        if m then again[#again + 1] = m end
        if first == nil then first = m end
      end
    end
    local ids = {}
    for id in string.gmatch(last.ids, '%S+') do ids[#ids + 1] = id end
    inGroups(ids, read)
    if last.solo and first then alone = first from = 2 end
    local reply = {now, last.committed, last.refused, left(), held(), cjson.encode(last.dropped), alone}
    for at = from, #again, last.per do
      local to = math.min(at + last.per - 1, #again)
      reply[#reply + 1] = table.concat(again, ',\\n', at, to)
      reply[#reply + 1] = to - at + 1
    end
    return reply
  end
end

-- Parse and check.
expectPlaces() expectRecords() expectLinks() expect('alien', 'hash')
expect('inflight:' .. consumer, 'hash') expect('landing:' .. consumer, 'list')
local doneIds, doneTtls, doneRecords, n = {}, {}, {}, 0
local blobs = tonumber(ARGV[8])
for b = 9, 8 + blobs do
  local blob, at = ARGV[b], 1
  local size = #blob
  while at <= size do
    n = n + 1
    doneIds[n], doneTtls[n], doneRecords[n], at = struct.unpack('>Bc0I4I4c0', blob, at)
  end
end
local transitions, arg = {}, 9 + blobs
while arg <= #ARGV do
  local kind = ARGV[arg]
  local move = {kind = kind, id = ARGV[arg + 1]}
  if kind == 'S' then
    move.record, move.ttl = ARGV[arg + 2], tonumber(ARGV[arg + 3])
    move.effects = ARGV[arg + 4] ~= '' and checkEffects(cjson.decode(ARGV[arg + 4]))
    arg = arg + 5
  elseif kind == 'Q' then
    move.text, move.delay, move.atHead = ARGV[arg + 2], tonumber(ARGV[arg + 3]), ARGV[arg + 4] == 'head'
    move.effects = ARGV[arg + 5] ~= '' and checkEffects(cjson.decode(ARGV[arg + 5]))
    checkItem(move.text)
    arg = arg + 6
  elseif kind == 'B' then
    move.text, move.reason, move.record, move.ttl = ARGV[arg + 2], ARGV[arg + 3], ARGV[arg + 4], tonumber(ARGV[arg + 5])
    move.effects = ARGV[arg + 6] ~= '' and checkEffects(cjson.decode(ARGV[arg + 6]))
    arg = arg + 7
  else
    return redis.error_reply('ERR unknown transition ' .. tostring(kind))
  end
  transitions[#transitions + 1] = move
end

-- Free, then commit.
free()
local marksOn = redis.call('EXISTS', P .. 'marks') == 1
local committed, refused = 0, 0
for i = 1, n do
  local id = doneIds[i]
  if redis.call('HDEL', inflight, id) == 1 then
    committed = committed + 1
    settle(id, doneTtls[i], doneRecords[i])
    if marksOn then forgetMark(id) end
  else
    refused = refused + 1
  end
end
for _, move in ipairs(transitions) do
  if redis.call('HDEL', inflight, move.id) == 0 then
    refused = refused + 1
  else
    committed = committed + 1
    if move.kind == 'Q' then
      if move.delay > 0 then store(move.text, 'd' .. move.delay) else place(move.text, move.atHead) end
      if move.effects then apply(move.effects, move.id) end
    else
      if move.kind == 'B' then bury(move.id, move.text, move.reason) end
      settle(move.id, move.ttl, move.record)
      if marksOn then forgetMark(move.id) end
      if move.effects then apply(move.effects, move.id) end
    end
  end
end

-- Lease.
local got, ids, fields, dropped, alone = {}, {}, {}, {}, ''

-- What concerns others, or died too often, is settled by the consumer, with all that belongs to its end.
local function drop(id, name, state, letter, m)
  if letter == 'x' or string.byte(m, 4) >= 52 then
    dropped[#dropped + 1] = {id = id, name = name, state = state, text = m}
    fields[#fields + 1] = id
    fields[#fields + 1] = m
    return
  end
  dropped[#dropped + 1] = {id = id, name = name, state = state}
  settle(id, ${END_MARKER_TTL_MS / 1000}, letter)
end

-- A mark that is in force keeps the task from starting.
local function marked(field)
  local mark = redis.call('HGET', P .. 'marks', field)
  if not mark then return false end
  local untilMs = tonumber(string.sub(mark, 1, 13))
  if untilMs > 0 and untilMs <= now then
    redis.call('HDEL', P .. 'marks', field)
    return false
  end
  if string.byte(mark, 14) == 49 then redis.call('HDEL', P .. 'marks', field) end
  return true
end

local function oddOne(m)
  local sha = redis.sha1hex(m)
  if string.find(m, '^%["%w') and string.byte(m, 3) ~= 49 and not string.find(m, '\\n', 1, true) then
    local seen = tonumber(redis.call('HGET', P .. 'alien', sha) or now)
    local age = now - seen
    if age < ${UNKNOWN_TASK_TTL_MS} then
      redis.call('HSET', P .. 'alien', sha, seen)
      redis.call('ZADD', P .. 'scheduled', now + math.max(1000, math.min(60000, age)), m)
      return
    end
    redis.call('HDEL', P .. 'alien', sha)
    bury(sha, m, 'unknown version')
  else
    bury(sha, m, 'malformed')
  end
  dropped[#dropped + 1] = {id = sha, name = '', state = 'dead'}
end

local function accept(m)
  if m == '' then return end
  local id, name = idAndName(m)
  if not id or not string.find(m, '^%["1[0-7]') or string.find(m, '\\n', 1, true) then return oddOne(m) end
  if marksOn and (marked('i:' .. id) or marked('t:' .. name)) then
    forgetMark(id)
    return drop(id, name, 'revoked', 'r', m)
  end
  if string.byte(m, 4) % 2 == 1 then
    local expiry = tonumber(string.sub(m, 26, 38))
    if expiry and expiry > 0 and expiry <= now then return drop(id, name, 'expired', 'e', m) end
    if (tonumber(string.sub(m, 14, 14), 36) or 0) > ${DEATHS_MAX} then return drop(id, name, 'dead', 'x', m) end
  end
  got[#got + 1] = m
  ids[#ids + 1] = id
  fields[#fields + 1] = id
  fields[#fields + 1] = m
end

local per = 1
if chunks > 0 then
  if redis.call('LINDEX', P .. 'ready', 0) == '' then redis.call('LPOP', P .. 'ready') end
  rung = false
  if solo then
    local m = redis.call('LPOP', P .. 'suspects')
    if m then accept(m) end
    alone = got[1] or ''
  end
  local landed = redis.call('LRANGE', landing, 0, -1)
  if #landed > 0 then
    redis.call('DEL', landing)
    for _, m in ipairs(landed) do accept(m) end
  end
  local others = redis.call('ZCARD', P .. 'hi') + redis.call('ZCARD', P .. 'lo')
  local there = others + redis.call('LLEN', P .. 'ready')
  local soloCount = alone ~= '' and 1 or 0
  local want = math.min(chunks * size - #got + soloCount, math.ceil(there / redis.call('ZCARD', P .. 'consumers')))
  local function takeSorted(name)
    local popped = redis.call('ZPOPMIN', P .. name, want)
    for i = 1, #popped, 2 do accept(popped[i]) end
    want = want - #popped / 2
  end
  if want > 0 and others > 0 then takeSorted('hi') end
  if want > 0 and there > others then
    local popped = redis.call('LPOP', P .. 'ready', want) or {}
    for _, m in ipairs(popped) do accept(m) end
    want = want - #popped
  end
  if want > 0 and others > 0 then takeSorted('lo') end
  if #got > soloCount then per = math.ceil((#got - soloCount) / chunks) end
  inGroups(fields, function(...) redis.call('HSET', inflight, ...) end)
end
flushSettled()
hintScheduled()

redis.call('HSET', lanes, lane, cjson.encode({
  seq = seq, committed = committed, refused = refused, dropped = dropped, solo = alone ~= '', per = per, ids = table.concat(ids, ' ')
}))

local remains = left()
-- Another consumer may be waiting for what stands beside the list it waits at.
if remains > 0 and redis.call('LLEN', P .. 'ready') == 0 then ring() end

local reply = {now, committed, refused, remains, held(), cjson.encode(dropped), alone}
for at = alone ~= '' and 2 or 1, #got, per do
  local to = math.min(at + per - 1, #got)
  reply[#reply + 1] = table.concat(got, ',\\n', at, to)
  reply[#reply + 1] = to - at + 1
end
return reply
`;

/** ARGV: prefix, consumer, lease ms. Returns now. */
const REGISTER = `${PRELUDE}${HEARD}
expect('consumers', 'zset') expect('clock', 'hash')
heard(ARGV[2], tonumber(ARGV[3]))
return now
`;

/** ARGV: prefix, consumer, lease ms. Returns now, held, landing. Error REAPED where it is not registered. */
const BEAT = `${PRELUDE}${HEARD}
expect('consumers', 'zset') expect('clock', 'hash')
if not redis.call('ZSCORE', P .. 'consumers', ARGV[2]) then return redis.error_reply('REAPED ' .. ARGV[2]) end
heard(ARGV[2], tonumber(ARGV[3]))
local landing = redis.call('LLEN', P .. 'landing:' .. ARGV[2])
return {now, redis.call('HLEN', P .. 'inflight:' .. ARGV[2]) + landing, landing}
`;

/** ARGV: prefix, consumer. */
const UNREGISTER = `${PRELUDE}${PLACE}${GIVE_BACK}
expectPlaces() expect('consumers', 'zset')
free()
return giveBack(ARGV[2], function(_, m) return m end)
`;

/** ARGV: prefix, consumer, ids. Returns how many were given back. */
const RELEASE = `${PRELUDE}${PLACE}
expectPlaces() expect('inflight:' .. ARGV[2], 'hash')
free()
local count = 0
for i = #ARGV, 3, -1 do
  local m = redis.call('HGET', P .. 'inflight:' .. ARGV[2], ARGV[i])
  if m then
    redis.call('HDEL', P .. 'inflight:' .. ARGV[2], ARGV[i])
    place(m, true)
    count = count + 1
  end
end
return count
`;

/** ARGV: prefix, lease ms. Returns now, tasks given back, then the consumers. */
const REAP = `${PRELUDE}${PLACE}${HEARD}${GIVE_BACK}
expectPlaces() expect('consumers', 'zset') expect('clock', 'hash')
local lease = tonumber(ARGV[2])
free()
noteGap(lease)
local awake = tonumber(redis.call('HGET', P .. 'clock', 'awake') or 0)
local gone = {}
if awake + lease <= now then gone = redis.call('ZRANGEBYSCORE', P .. 'consumers', '-inf', now, 'LIMIT', 0, 20) end

local digits = '0123456789abcdefghijklmnopqrstuvwxyz'
local function up(m, at)
  local value = math.min(tonumber(string.sub(m, at, at), 36) + 1, 35)
  return string.sub(m, 1, at - 1) .. string.sub(digits, value + 1, value + 1) .. string.sub(m, at + 1)
end

local tasks = 0
local function charge(_, m)
  local lapses = tonumber(string.sub(m, 13, 13), 36)
  local care = string.byte(m, 4) - 48
  if care % 2 == 0 then m = string.sub(m, 1, 3) .. (care + 1) .. string.sub(m, 5) end
  m = up(m, 13)
  return lapses < ${SUSPECT_LAPSES} and m or up(m, 14)
end

local reply = {now, 0}
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
end
local next = redis.call('ZRANGE', P .. 'scheduled', 0, 0, 'WITHSCORES')
return {now, #due, next[2] or ''}
`;

/** ARGV: prefix, task, minute ms, message. Returns 1 where this call enqueued the tick. */
const TICK = `${PRELUDE}${PLACE}${SETTLE}${STORE}
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
for i = 3, #ARGV do
  local last = tonumber(redis.call('HGET', P .. 'ticks', ARGV[i]) or 0)
  if tonumber(ARGV[2]) > last then redis.call('HSET', P .. 'ticks', ARGV[i], ARGV[2]) end
end
return 1
`;

/** ARGV: prefix, ids. Returns a record or '' for each. */
const READ_RESULTS = `${PRELUDE}
local records = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local bucket, field = id, id
  if generated(id) then bucket = string.sub(id, 1, 16) field = string.sub(id, 17) end
  local value = redis.call('HGET', P .. 'result:' .. bucket, field)
  records[i - 1] = value and tonumber(string.sub(value, 1, 13)) > now and string.sub(value, 14) or ''
end
return records
`;

/** ARGV: prefix, ids. A value is replaced by the mark of one that was read; the state stays. */
const REMOVE_RESULTS = `${PRELUDE}
for i = 2, #ARGV do
  local id = ARGV[i]
  local bucket, field = id, id
  if generated(id) then bucket = string.sub(id, 1, 16) field = string.sub(id, 17) end
  local value = redis.call('HGET', P .. 'result:' .. bucket, field)
  if value and #value > 14 then redis.call('HSET', P .. 'result:' .. bucket, field, string.sub(value, 1, 14) .. '${GONE_PAYLOAD}') end
end
return 1
`;

/** ARGV: prefix, field, until ms (0 = none), once (0 or 1), longest life ms (0 = none). */
const REVOKE = `${PRELUDE}
expect('marks', 'hash')
local untilMs, longest = tonumber(ARGV[3]), tonumber(ARGV[5])
if longest > 0 and (untilMs == 0 or untilMs > now + longest) then untilMs = now + longest end
redis.call('HSET', P .. 'marks', ARGV[2], stamp(untilMs) .. ARGV[4])
return 1
`;

/** ARGV: prefix, field, remove (0 or 1). Returns the mark in force or ''. */
const READ_MARK = `${PRELUDE}
expect('marks', 'hash')
local mark = redis.call('HGET', P .. 'marks', ARGV[2])
if not mark then return '' end
if ARGV[3] == '1' then redis.call('HDEL', P .. 'marks', ARGV[2]) end
local untilMs = tonumber(string.sub(mark, 1, 13))
if untilMs > 0 and untilMs <= now then return '' end
return mark
`;

/** name of the command -> Lua. All take one key. */
export const SCRIPTS = {
  ...SIDE_SCRIPTS,
  hueyEnqueue: ENQUEUE,
  hueyStep: STEP,
  hueyRegister: REGISTER,
  hueyBeat: BEAT,
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
