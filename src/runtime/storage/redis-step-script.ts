/** The script of `step`: commit what ended, lease what is next, in one atomic call. The rules it keeps stand in redis-lua.ts. */
import { CALL, ENDED, FORGET, REPLY, TAKEN } from './redis-chunks-lua.js';
import { HELD } from './redis-held-lua.js';
import { LEASE } from './redis-lease-lua.js';
import { PLACE, PRELUDE, SETTLE } from './redis-lua.js';
import { SLOTS } from './redis-slots-lua.js';
import { STORE } from './redis-store-lua.js';

/**
 * ARGV: prefix, consumer, lane, seq, chunks, chunk size, solo (0 or 1), hand over (0 or 1), number of blobs, for each blob
 * (completion.ts) its receipt or '' and itself, then transitions, flat:
 *   'S', id, record, ttl seconds, effects
 *   'Q', id, message, delay ms, 'head' or 'tail', effects
 *   'B', id, message, reason, record, ttl seconds, effects
 * Effects are JSON or ''.
 * Returns now, committed, refused, left, dropped (JSON), solo message or '', then text, count, and receipt or '' of each chunk.
 * Errors: REAPED where the consumer is not registered, STALE where the lane's number is an old one.
 */
export const STEP = `${PRELUDE}${HELD}${PLACE}${SLOTS}${SETTLE}${STORE}${CALL}${FORGET}${REPLY}${ENDED}${TAKEN}
local solo, handOver = ARGV[7] == '1', ARGV[8] == '1'

expect('consumers', 'zset')
if not redis.call('ZSCORE', P .. 'consumers', consumer) then
  expectPlaces() expect('landing:' .. consumer, 'list')
  free()
  giveLandingBack(consumer)
  return redis.error_reply('REAPED ' .. consumer)
end

expectHeldBy(consumer) expect('landing:' .. consumer, 'list')

-- How many wait in the order of their priority.
local function sorted()
  if redis.call('EXISTS', P .. 'hi', P .. 'lo') == 0 then return 0 end
  return redis.call('ZCARD', P .. 'hi') + redis.call('ZCARD', P .. 'lo')
end

local function left()
  local ready = redis.call('LLEN', P .. 'ready')
  -- A ring is no message.
  if ready == 1 and redis.call('LINDEX', P .. 'ready', 0) == '' then ready = 0 end
  return ready + sorted()
end

-- Lost replies: the same call again gets the same answer.
local last = redis.call('HGET', lanes, lane)
if last then
  local lastSeq = tonumber(string.match(last, '^%d+'))
  if lastSeq > seq then return redis.error_reply('STALE lane ' .. lane .. ' is at ' .. lastSeq) end
  if lastSeq == seq then
    last = cjson.decode(ssub(last, #tostring(lastSeq) + 2))
    local alone = last.solo and redis.call('HGET', inflight, last.solo) or ''
    local reply = {now, last.committed, last.refused, left(), cjson.encode(last.dropped), alone}
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

-- Parse and check.
expectPlaces() expectSlots() expectAll('unique', 'hash', 'alien', 'hash')
local mayBeMarked = expectRecords()
local blobs, wholes = {}, {}
for b = 1, tonumber(ARGV[9]) do
  local receipt, values = ARGV[8 + 2 * b], valuesOf(ARGV[9 + 2 * b])
  local bucket = receipt ~= '' and not wholes[receipt] and bucketOfWhole(receipt, values)
  if bucket then
    wholes[receipt] = values
    settleAll(values, bucket)
  else
    for i = 2, #values, 3 do expectRecord(values[i]) end
    blobs[#blobs + 1] = values
  end
end
local transitions, arg = {}, 10 + 2 * tonumber(ARGV[9])
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
forgetReply(last)
local marksOn = mayBeMarked and redis.call('EXISTS', P .. 'marks') == 1
local cancelsOn = mayBeMarked and redis.call('EXISTS', P .. 'cancels') == 1
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
local mayForget = marksOn or cancelsOn

-- True where it was in flight of this consumer, and is no more.
local function leave(id)
  return redis.call('HDEL', inflight, id) == 1 or findHeld(consumer, id) and redis.call('HDEL', inflight, id) == 1
end

for receipt, values in pairs(wholes) do
  redis.call('HDEL', packs, receipt)
  committed = committed + (#values - 1) / 3
  if slotsOn or mayForget then
    for i = 2, #values, 3 do
      if slotsOn then leaveSlot(values[i]) end
      if mayForget then forget(values[i]) end
    end
  end
end
for _, values in ipairs(blobs) do
  for i = 2, #values, 3 do
    local id = values[i]
    if leave(id) then
      committed = committed + 1
      if slotsOn then leaveSlot(id) end
      settle(id, values[i + 1], values[i + 2])
      if mayForget then forget(id) end
    else
      refused = refused + 1
    end
  end
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

-- What was enqueued by these ends may have revoked what is leased next.
if transitions[1] and not marksOn then
  marksOn = redis.call('EXISTS', P .. 'marks') == 1
  plainOnly = plainOnly and not marksOn
end

${LEASE}
flushSettled()
hintScheduled()

local remains = left()
-- Another consumer may be waiting for what stands beside the list it waits at.
if remains > 0 and redis.call('LLEN', P .. 'ready') == 0 then ring() end

return replyOf(committed, refused, remains, dropped, alone, alone ~= '' and gotIds[1] or nil, chunksOut)
`;
