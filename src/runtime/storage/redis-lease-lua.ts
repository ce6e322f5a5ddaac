/**
 * The part of the `step` script (redis-step-script.ts) that leases what is next: what may start goes into chunks, what may not is
 * settled, parked or put aside. It comes behind the commit, whose locals it uses, and TAKEN (redis-chunks-lua.ts).
 */
import { DEATHS_MAX, END_MARKER_TTL_MS, UNKNOWN_TASK_TTL_MS } from '../limits.js';

/** What one step looks at, where it comes upon many that it can only park: a few ms, in which the server does nothing else. */
const LOOK_MAX = 200;

/** Gives `dropped` and `alone`, beside what TAKEN gives. */
export const LEASE = `
local dropped, alone, parked = {}, '', 0

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

local function accept(m)
  if m == '' or plainOnly and takePlain(m) then return end
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
  local others = sorted()
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
      for i = 1, #popped do accept(popped[i]) end
      want = want - #popped
    end
    if want > 0 and others > 0 then takeSorted('lo') end
    -- As many more as were parked: those behind them shall not wait for the next step.
    local more = want == 0 and looked < ${LOOK_MAX}
    want, before = parked - before, parked
  until not more or want == 0
  pack(alone ~= '' and 1 or 0)
  flushHeld()
  placeFreed()
end
`;
