/** The script of `step`: commit what ended, lease what is next, in one atomic call. The rules it keeps stand in redis-lua.ts. */
import { DEATHS_MAX, END_MARKER_TTL_MS, ID_MAX_CHARS, UNKNOWN_TASK_TTL_MS } from '../limits.js';
import { HELD, PACK_MIN } from './redis-held-lua.js';
import { PLACE, PRELUDE, SETTLE } from './redis-lua.js';
import { SLOTS } from './redis-slots-lua.js';
import { STORE } from './redis-store-lua.js';

/** What one step looks at, where it comes upon many that it can only park: a few ms, in which the server does nothing else. */
const LOOK_MAX = 200;

/**
 * ARGV: prefix, consumer, lane, seq, chunks, chunk size, solo (0 or 1), hand over (0 or 1), number of blobs, for each blob
 * (completion.ts) its receipt or '' and itself, then transitions, flat:
 *   'S', id, record, ttl seconds, effects
 *   'Q', id, message, delay ms, 'head' or 'tail', effects
 *   'B', id, message, reason, record, ttl seconds, effects
 * Effects are JSON or ''.
 * Returns now, committed, refused, left, held, dropped (JSON), solo message or '', then text, count, and receipt or '' of each chunk.
 * Errors: REAPED where the consumer is not registered, STALE where the lane's number is an old one.
 */
export const STEP = `${PRELUDE}${HELD}${PLACE}${SLOTS}${SETTLE}${STORE}
local consumer, lane, seq = ARGV[2], ARGV[3], tonumber(ARGV[4])
local chunks, size, solo, handOver = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1', ARGV[8] == '1'
local inflight, landing, lanes, packs = P .. 'inflight:' .. consumer, P .. 'landing:' .. consumer, P .. 'lanes:' .. consumer, P .. 'packs:' .. consumer

expect('consumers', 'zset')
if not redis.call('ZSCORE', P .. 'consumers', consumer) then
  expectPlaces() expect('landing:' .. consumer, 'list')
  free()
  giveLandingBack(consumer)
  return redis.error_reply('REAPED ' .. consumer)
end

expectHeldBy(consumer) expect('landing:' .. consumer, 'list')
local function held()
  return heldCount(consumer) + redis.call('LLEN', landing)
end

local function left()
  local ready = redis.call('LLEN', P .. 'ready')
  -- A ring is no message.
  if ready == 1 and redis.call('LINDEX', P .. 'ready', 0) == '' then ready = 0 end
  return ready + redis.call('ZCARD', P .. 'hi') + redis.call('ZCARD', P .. 'lo')
end

-- Lost replies: the same call again gets the same answer.
local last = redis.call('HGET', lanes, lane)
if last then
  local lastSeq = tonumber(string.match(last, '^%d+'))
  if lastSeq > seq then return redis.error_reply('STALE lane ' .. lane .. ' is at ' .. lastSeq) end
  if lastSeq == seq then
    last = cjson.decode(ssub(last, #tostring(lastSeq) + 2))
    local alone = last.solo and redis.call('HGET', inflight, last.solo) or ''
    local reply = {now, last.committed, last.refused, left(), held(), cjson.encode(last.dropped), alone}
    for _, chunk in ipairs(last.chunks) do
      local text, ids = redis.call('HGET', packs, chunk.receipt), chunk.ids
      local count = text and #messagesOf(text)
      if not text then
        ids = ids or redis.call('HGET', lanes, chunk.receipt) or ''
        local again = {}
        local function read(...)
          for _, m in ipairs(redis.call('HMGET', inflight, ...)) do
            if m then again[#again + 1] = m end
          end
        end
        local list = {}
        for id in string.gmatch(ids, '%S+') do list[#list + 1] = id end
        inGroups(list, read)
        text, count = table.concat(again, ',\\n'), #again
      end
      if count > 0 then
        reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = text, count, ids and '' or chunk.receipt
      end
    end
    return reply
  end
end

local forgotten = {}
for receipt in string.gmatch(last or '', '"receipt":"([^"]+)"') do forgotten[#forgotten + 1] = receipt end

-- Parse and check.
expectPlaces() expectSlots() expectRecords() expectLinks() expect('alien', 'hash')
local doneIds, doneTtls, doneRecords, doneGroups, doneFields, n = {}, {}, {}, {}, {}, 0
local sunpack = struct.unpack
local blobs, whole, ends = tonumber(ARGV[9]), {}, {}
for b = 1, blobs do
  local receipt, blob, at = ARGV[8 + 2 * b], ARGV[9 + 2 * b], 1
  local size, first = #blob, n + 1
  while at <= size do
    n = n + 1
    local id
    id, doneTtls[n], doneRecords[n], at = sunpack('>Bc0I4I4c0', blob, at)
    local group, field = placeOf(id)
    if group.blocked then expectRecord(id) end
    doneIds[n], doneGroups[n], doneFields[n] = id, group, field
  end
  -- Whether it holds what its receipt says: all of that chunk, in its order.
  ends[b] = n
  whole[b] = receipt ~= '' and smatch(receipt, '%x+$') == redis.sha1hex(table.concat(doneIds, ' ', first, n))
end
local transitions, arg = {}, 10 + 2 * blobs
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
  expectRecord(move.id)
  transitions[#transitions + 1] = move
end

-- Free, then commit.
free()
inGroups(forgotten, function(...) redis.call('HDEL', lanes, ...) end)
local marksOn = redis.call('EXISTS', P .. 'marks') == 1
local cancelsOn = redis.call('EXISTS', P .. 'cancels') == 1
local plainOnly = not marksOn and not cancelsOn

local function forget(id)
  if marksOn then forgetMark(id) end
  if cancelsOn then redis.call('HDEL', P .. 'cancels', id) end
end

local function isCanceled(id)
  local ends = cancelsOn and redis.call('HGET', P .. 'cancels', id)
  return ends and tonumber(ends) > now
end

local committed, refused = 0, 0
local call, mayForget = redis.call, marksOn or cancelsOn

-- True where it was in flight of this consumer, and is no more.
local function leave(id)
  return call('HDEL', inflight, id) == 1 or findHeld(consumer, id) and call('HDEL', inflight, id) == 1
end

local at = 1
for b = 1, blobs do
  local isWhole = whole[b] and call('HDEL', packs, ARGV[8 + 2 * b]) == 1
  for i = at, ends[b] do
    local id = doneIds[i]
    if isWhole or leave(id) then
      committed = committed + 1
      if slotsOn then leaveSlot(id) end
      settleAt(doneGroups[i], doneFields[i], id, doneTtls[i], doneRecords[i])
      if mayForget then forget(id) end
    else
      refused = refused + 1
    end
  end
  at = ends[b] + 1
end
for _, move in ipairs(transitions) do
  if not leave(move.id) then
    refused = refused + 1
  else
    committed = committed + 1
    leaveSlot(move.id)
    if move.kind == 'Q' then
      -- What is given back was there before those who are freed by it.
      if move.atHead then placeFreed() end
      if move.delay > 0 and not isCanceled(move.id) then store(move.text, 'd' .. move.delay) else place(move.text, move.atHead) end
      if move.effects then apply(move.effects, move.id) end
    else
      if move.kind == 'B' then bury(move.id, move.text, move.reason) end
      settle(move.id, move.ttl, move.record)
      forget(move.id)
      if move.effects then apply(move.effects, move.id) end
    end
  end
end

placeFreed()

-- Lease.
local got, gotIds, fields, dropped, alone = {}, {}, {}, {}, ''
local gotCount, fieldCount, parked = 0, 0, 0

local function hold(id, m)
  fields[fieldCount + 1], fields[fieldCount + 2] = id, m
  fieldCount = fieldCount + 2
end

-- What concerns others, was canceled, or died too often, is settled by the consumer, with all that belongs to its end; and everything where it asks for that.
local function ours(m)
  return handOver or string.byte(m, 4) % 8 >= 4
end

local function drop(id, name, state, letter, m, key)
  giveUpTurn(id, key)
  if letter == 'x' or letter == 'c' or ours(m) then
    dropped[#dropped + 1] = {id = id, name = name, state = state, text = m}
    hold(id, m)
    return
  end
  dropped[#dropped + 1] = {id = id, name = name, state = state}
  settle(id, ${END_MARKER_TTL_MS / 1000}, letter)
end

-- A mark that is in force keeps the task from starting.
local function marked(field)
  local mark = redis.call('HGET', P .. 'marks', field)
  if not mark then return false end
  if not inForce(mark) then
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

local function take(id, m)
  gotCount = gotCount + 1
  gotIds[gotCount], got[gotCount] = id, m
end

local function accept(m)
  if m == '' then return end
  -- Of nearly all it is enough to know that they are messages, and their ids; the rest costs more to take out.
  if plainOnly then
    local a, b, version, care = sbyte(m, 1, 4)
    if a == 91 and b == 34 and version == 49 and (care == 48 or care == 52) then
      local id = smatch(m, '^(%w+) [^"\\%c]+",', 39)
      if id and #id <= ${ID_MAX_CHARS} and not sfind(m, '\\n', 1, true) then return take(id, m) end
    end
  end
  local id, name, key, limit = idAndName(m)
  if not id then return oddOne(m) end
  -- The mark stays until it has ended: whoever leases it next, if this consumer dies before, must find it canceled too.
  if cancelsOn and isCanceled(id) then return drop(id, name, 'canceled', 'c', m, key) end
  if marksOn and (marked('i:' .. id) or marked('t:' .. name)) then
    if ours(m) then
      -- Whoever leases it next, if this consumer dies before it has settled it, must find it revoked too.
      markOne(id, 0, '1')
    else
      forgetMark(id)
    end
    return drop(id, name, 'revoked', 'r', m, key)
  end
  if sbyte(m, 4) % 2 == 1 then
    local expiry = tonumber(string.sub(m, 26, 38))
    if expiry and expiry > 0 and expiry <= now then return drop(id, name, 'expired', 'e', m, key) end
    if (tonumber(string.sub(m, 14, 14), 36) or 0) > ${DEATHS_MAX} then return drop(id, name, 'dead', 'x', m, key) end
  end
  if key and not takeSlot(id, m, key, limit) then
    parked = parked + 1
    return
  end
  take(id, m)
end

local chunksOut = {}

if chunks > 0 then
  if redis.call('LINDEX', P .. 'ready', 0) == '' then redis.call('LPOP', P .. 'ready') end
  rung = false
  if solo then
    -- Behind those that must not start stands perhaps one that may.
    for _ = 1, ${LOOK_MAX} do
      local m = redis.call('LPOP', P .. 'suspects')
      if not m then break end
      accept(m)
      if got[1] then break end
    end
    alone = got[1] or ''
    if alone ~= '' then hold(gotIds[1], alone) end
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
  local before, looked = parked, 0
  repeat
    looked = looked + want
    if want > 0 and others > 0 then takeSorted('hi') end
    if want > 0 and there > others then
      local popped = redis.call('LPOP', P .. 'ready', want) or {}
      for _, m in ipairs(popped) do accept(m) end
      want = want - #popped
    end
    if want > 0 and others > 0 then takeSorted('lo') end
    -- As many more as were parked: those behind them shall not wait for the next step.
    local more = want == 0 and looked < ${LOOK_MAX}
    want, before = parked - before, parked
  until not more or want == 0
  local per = math.max(1, math.ceil((gotCount - soloCount) / chunks))
  for at = soloCount + 1, gotCount, per do
    local to = math.min(at + per - 1, gotCount)
    local count, text, ids = to - at + 1, table.concat(got, ',\\n', at, to), table.concat(gotIds, ' ', at, to)
    local chunk = {text = text, count = count}
    if count >= ${PACK_MIN} then
      chunk.receipt = lane .. '.' .. seq .. '.' .. at .. ' ' .. count .. ' ' .. redis.sha1hex(ids)
      call('HSET', packs, chunk.receipt, text)
    else
      chunk.ids = ids
      for i = at, to do hold(gotIds[i], got[i]) end
    end
    chunksOut[#chunksOut + 1] = chunk
  end
  inGroups(fields, function(...) redis.call('HSET', inflight, ...) end)
  placeFreed()
end
flushSettled()
hintScheduled()

local reply = {now, committed, refused, 0, 0, cjson.encode(dropped), alone}
local kept = {}
for i, chunk in ipairs(chunksOut) do
  reply[3 * i + 5], reply[3 * i + 6], reply[3 * i + 7] = chunk.text, chunk.count, chunk.receipt or ''
  kept[i] = {receipt = chunk.receipt or '', ids = chunk.ids}
end
redis.call('HSET', lanes, lane, seq .. ' ' .. cjson.encode({
  committed = committed, refused = refused, dropped = dropped, solo = alone ~= '' and gotIds[1] or nil, chunks = kept
}))

local remains = left()
-- Another consumer may be waiting for what stands beside the list it waits at.
if remains > 0 and redis.call('LLEN', P .. 'ready') == 0 then ring() end

reply[4], reply[5] = remains, held()
return reply
`;
