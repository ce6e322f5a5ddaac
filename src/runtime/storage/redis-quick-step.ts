/**
 * The short script of `step`, for what nearly all calls are: completions come, plain messages go. A script pays for each function that it
 * makes and each key that it looks at, in every call; this one has a third of them. Where it comes upon anything else it has changed
 * nothing, and the long one is called in its place, under the same number (redis-step-script.ts, whose rules and replies it keeps).
 */
import { CALL, ENDED, TAKEN } from './redis-chunks-lua.js';
import { HOLDING } from './redis-held-lua.js';
import { CORE, LANDING, RECORDS } from './redis-lua.js';

/** Keys without which there are no suspects, marks, cancels, keyed messages and priorities. */
const OTHERS = ['suspects', 'marks', 'cancels', 'holders', 'slots', 'limits', 'parked', 'line', 'turns', 'hi', 'lo'];

/**
 * ARGV: prefix, consumer, lane, seq, chunks, chunk size, number of blobs, for each blob its receipt or '' and itself.
 * Returns what STEP does, or false: for the other one.
 * No type is asked for: each key is read before the first write, and a wrong one stops the script there.
 */
export const QUICK_STEP = `${CORE}${RECORDS}${HOLDING}${CALL}${ENDED}${TAKEN}
if not redis.call('ZSCORE', P .. 'consumers', consumer) then
  -- Its process may be standing still, or be gone: what its move brought after it was reaped would be nobody's.
  ${LANDING}
  free()
  giveLandingBack(consumer)
  return redis.error_reply('REAPED ' .. consumer)
end
if redis.call('EXISTS', ${OTHERS.map((name) => `P .. '${name}'`).join(', ')}) > 0 then return false end
local last = redis.call('HGET', lanes, lane)
if last and tonumber(smatch(last, '^%d+')) >= seq then return false end

-- What ended: whole chunks, or what is held by itself.
local wholes, singles, committed = {}, {}, 0
for b = 1, tonumber(ARGV[7]) do
  local receipt, values = ARGV[6 + 2 * b], valuesOf(ARGV[7 + 2 * b])
  local bucket = receipt ~= '' and not wholes[receipt] and bucketOfWhole(receipt, values)
  if bucket then
    wholes[receipt] = true
    committed = committed + (#values - 1) / 3
    settleAll(values, bucket)
  else
    for i = 2, #values, 3 do
      local id = values[i]
      if redis.call('HEXISTS', inflight, id) == 0 or singles[id] then return false end
      singles[id] = true
      committed = committed + 1
    end
    settleAll(values, '-')
  end
end

-- What is next: what has landed, then a fair share of what is ready.
local ready, landed, list = P .. 'ready', {}, {}
local there = redis.call('LLEN', ready)
if chunks > 0 then
  landed = redis.call('LRANGE', landing, 0, -1)
  for i = 1, #landed do
    if landed[i] ~= '' and not takePlain(landed[i]) then return false end
  end
  local want = math.min(chunks * size - gotCount, math.ceil(there / redis.call('ZCARD', P .. 'consumers')))
  if want > 0 then list = redis.call('LRANGE', ready, 0, want - 1) end
  for i = 1, #list do
    if not takePlain(list[i]) then return false end
  end
elseif there == 1 and redis.call('LINDEX', ready, 0) == '' then
  -- A ring is no message.
  there = 0
end
local stays = chunks > 0 and 0 or redis.call('LLEN', landing)
heldCount(consumer)

free()
forgetReply(last)
for receipt in pairs(wholes) do redis.call('HDEL', packs, receipt) end
for id in pairs(singles) do redis.call('HDEL', inflight, id) end
if #landed > 0 then redis.call('DEL', landing) end
if #list > 0 then redis.call('LTRIM', ready, #list, -1) end
if gotCount > 0 then pack(0) end
flushHeld()
flushSettled()
local reply = replyOf(committed, 0, {}, '')
reply[4], reply[5] = there - #list, heldCount(consumer) + stays
return reply
`;
