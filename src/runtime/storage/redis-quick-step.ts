/**
 * The short script of `step`, for what nearly all calls are: completions come, plain messages go. A script pays for each function
 * that it makes and each key that it looks at, in every call; this one has a third of them, makes only those that the call needs, and
 * hardly one for one task alone.
 * Where it comes upon anything else it has changed nothing, and the long one is called in its place, under the same number
 * (redis-step-script.ts, whose rules and replies it keeps).
 */
import { CALL, ENDED, FORGET, REPLY, TAKEN } from './redis-chunks-lua.js';
import { LANDING, RECORDS, START, TOOLS } from './redis-lua.js';
import { SINGLE } from './redis-single-lua.js';

/** Keys without which there are no suspects, marks, cancels, keyed messages and priorities. */
const OTHERS = ['suspects', 'marks', 'cancels', 'holders', 'slots', 'limits', 'parked', 'line', 'turns', 'hi', 'lo'];

/** Ends of so many tasks are told whether anybody listens or not. */
const LITTLE = 8;

/**
 * ARGV: prefix, consumer, lane, seq, chunks, chunk size, number of blobs, for each blob its receipt or '' and itself.
 * Returns what STEP does, or false: for the other one.
 * Hardly a type is asked for (that of a bucket of records): each other key is read before the first write, and a wrong one stops
 * the script there. So are the HLEN below, whose answer nobody needs.
 */
export const QUICK_STEP = `${START}${CALL}
if not redis.call('ZSCORE', P .. 'consumers', consumer) then
  -- Its process may be standing still, or be gone: what its move brought after it was reaped would be nobody's.
  ${LANDING}${TOOLS}
  free()
  giveLandingBack(consumer)
  return redis.error_reply('REAPED ' .. consumer)
end
if redis.call('EXISTS', ${OTHERS.map((name) => `P .. '${name}'`).join(', ')}) > 0 then return false end
local last = redis.call('HGET', lanes, lane)
if last and tonumber(smatch(last, '^%d+')) >= seq then return false end
local ready = P .. 'ready'
${SINGLE}${TOOLS}${FORGET}${REPLY}
local commit, lease, committed, gotten

-- What ended: whole chunks, or what is held by itself.
if ARGV[7] ~= '0' then
  ${RECORDS}${ENDED}
  local wholes, singles = {}, {}
  committed = 0
  for b = 1, tonumber(ARGV[7]) do
    local receipt, values = ARGV[6 + 2 * b], valuesOf(ARGV[7 + 2 * b])
    local bucket = receipt ~= '' and not wholes[receipt] and bucketOfWhole(receipt, values)
    if bucket then
      wholes[receipt] = true
    else
      for i = 2, #values, 3 do
        local id = values[i]
        if redis.call('HEXISTS', inflight, id) == 0 or singles[id] then return false end
        singles[id] = true
      end
    end
    committed = committed + (#values - 1) / 3
    isLittle = #values < ${3 * LITTLE}
    settleAll(values, bucket or '-')
  end
  commit = function()
    for receipt in pairs(wholes) do redis.call('HDEL', packs, receipt) end
    for id in pairs(singles) do redis.call('HDEL', inflight, id) end
    flushSettled()
  end
end

-- What is next: what has landed, then a fair share of what is ready.
local left = redis.call('LLEN', ready)
if chunks > 0 then
  ${TAKEN}
  local landed, list = redis.call('LRANGE', landing, '0', '-1'), {}
  for i = 1, #landed do
    if landed[i] ~= '' and not takePlain(landed[i]) then return false end
  end
  if left > 0 then
    local want = math.min(chunks * size - gotCount, math.ceil(left / redis.call('ZCARD', P .. 'consumers')))
    if want > 0 then list = redis.call('LRANGE', ready, '0', string.format('%d', want - 1)) end
  end
  for i = 1, #list do
    if not takePlain(list[i]) then return false end
  end
  left = left - #list
  if gotCount > 0 then redis.call('HLEN', inflight) end
  if gotCount > chunks then redis.call('HLEN', packs) end
  lease = #landed + #list > 0 and function()
    if #landed > 0 then redis.call('DEL', landing) end
    if #list > 0 then redis.call('LTRIM', ready, string.format('%d', #list), '-1') end
    pack(0)
    flushHeld()
  end
  gotten = chunksOut
elseif left == 1 and redis.call('LINDEX', ready, '0') == '' then
  -- A ring is no message.
  left = 0
end

-- Both begin with something that goes.
if not commit and not lease then free() end
if commit then commit() end
if lease then lease() end
forgetReply(last)
return replyOf(committed or 0, 0, left, {}, '', nil, gotten or {})
`;
