/**
 * The parts that the two scripts of `step` (redis-step-script.ts, redis-quick-step.ts) share: what a call says, the ends that it brings,
 * the chunks that it leases, and its reply. They come behind START, TOOLS and RECORDS (redis-lua.ts).
 */
import { ID_MAX_CHARS } from '../limits.js';
import { PACK_MIN } from './redis-held-lua.js';

/** Values that one call of cmsgpack may give: Lua has room for 8000. */
const UNPACK_MAX = 3000;

/** The first arguments, and the keys of the consumer. */
export const CALL = `
local consumer, lane, seq = ARGV[2], ARGV[3], tonumber(ARGV[4])
local chunks, size = tonumber(ARGV[5]), tonumber(ARGV[6])
local inflight, landing, lanes, packs = P .. 'inflight:' .. consumer, P .. 'landing:' .. consumer, P .. 'lanes:' .. consumer, P .. 'packs:' .. consumer
`;

/** The end of the last call. */
export const FORGET = `
-- The last reply of this lane has arrived: what was kept to repeat it is not needed any more.
local function forgetReply(last)
  if not last or not sfind(last, '"receipt":"[^"]') then return end
  local receipts = {}
  for receipt in string.gmatch(last, '"receipt":"([^"]+)"') do receipts[#receipts + 1] = receipt end
  inGroups(receipts, function(...) redis.call('HDEL', lanes, ...) end)
end
`;

/** The reply; kept for a repeat, with ids and receipts in the place of chunks. */
export const REPLY = `
local function replyOf(committed, refused, left, dropped, alone, aloneId, chunksOut)
  local reply = {now, committed, refused, left, dropped[1] and cjson.encode(dropped) or '{}', alone}
  local kept = {}
  for i, chunk in ipairs(chunksOut) do
    reply[3 * i + 4], reply[3 * i + 5], reply[3 * i + 6] = chunk.text, chunk.count, chunk.receipt or ''
    kept[i] = {receipt = chunk.receipt or '', ids = chunk.ids}
  end
  redis.call('HSET', lanes, lane, ARGV[4] .. ' ' .. cjson.encode({
    committed = committed, refused = refused, dropped = dropped, solo = aloneId, chunks = kept
  }))
  return reply
end
`;

/** Completions (completion.ts), and whether they are the end of a whole chunk. */
export const ENDED = `
-- What a blob holds: behind the first value, ids, times to live and records in turns.
local function valuesOf(blob)
  local values = {cmsgpack.unpack_limit(blob, ${UNPACK_MAX}, 0)}
  while values[1] ~= -1 do
    local more = {cmsgpack.unpack_limit(blob, ${UNPACK_MAX}, values[1])}
    for i = 2, #more do values[#values + 1] = more[i] end
    values[1] = more[1]
  end
  return values
end

-- Whether these are the ids of all tasks of that chunk, in their order, and it is held; then the bucket of all, or '-'.
local function bucketOfWhole(receipt, values)
  local ids, n = {}, 0
  for i = 2, #values, 3 do
    n = n + 1
    ids[n] = values[i]
  end
  local bucket, digest = smatch(receipt, '^%S+ %d+ (%S+) (%x+)$')
  return digest == redis.sha1hex(table.concat(ids, ' ')) and redis.call('HEXISTS', packs, receipt) == 1 and bucket
end
`;

/** What is leased: messages in `got`, their ids in `gotIds`; then as chunks in `chunksOut`. */
export const TAKEN = `
local got, gotIds, gotCount = {}, {}, 0
-- Where in \`got\` an id is not of the bucket before it; that bucket, where the id was generated; and those that were met.
local switches, lastBucket, buckets = {}, nil, {}

local function take(id, m, bucket)
  gotCount = gotCount + 1
  gotIds[gotCount], got[gotCount] = id, m
  if bucket and bucket == lastBucket then return end
  lastBucket = bucket
  switches[#switches + 1] = gotCount
end

-- Of nearly all it is enough to know that they are messages, and their ids; the rest costs more to take out.
local function takePlain(m)
  local a, b, version, care = sbyte(m, 1, 4)
  if a ~= 91 or b ~= 34 or version ~= 49 or care ~= 48 and care ~= 52 or sfind(m, '\\n', 1, true) then return false end
  local start = ssub(m, 39, 54)
  if buckets[start] and sfind(m, '^[0-9a-z][0-9a-z][0-9a-z] [^"\\\\%c]+",', 55) then
    take(ssub(m, 39, 57), m, start)
    return true
  end
  local id = smatch(m, '^(%w+) [^"\\\\%c]+",', 39)
  if not id or #id > ${ID_MAX_CHARS} then return false end
  buckets[start] = generated(id)
  take(id, m, buckets[start] and start)
  return true
end

-- Those that are held one by one: ids and messages in turns.
local fields, fieldCount = {}, 0

local function hold(id, m)
  fields[fieldCount + 1], fields[fieldCount + 2] = id, m
  fieldCount = fieldCount + 2
end

local function flushHeld()
  inGroups(fields, function(...) redis.call('HSET', inflight, ...) end)
end

local chunksOut = {}

-- Makes chunks of all but the first so many.
local function pack(except)
  local per, turn = math.max(1, math.ceil((gotCount - except) / chunks)), 1
  for at = except + 1, gotCount, per do
    local to = math.min(at + per - 1, gotCount)
    local count, text, ids = to - at + 1, table.concat(got, ',\\n', at, to), table.concat(gotIds, ' ', at, to)
    local chunk = {text = text, count = count}
    while switches[turn] and switches[turn] <= at do turn = turn + 1 end
    if count >= ${PACK_MIN} then
      local bucket = (switches[turn] or to + 1) > to and generated(gotIds[at]) and ssub(gotIds[at], 1, 16) or '-'
      chunk.receipt = lane .. '.' .. ARGV[4] .. '.' .. at .. ' ' .. count .. ' ' .. bucket .. ' ' .. redis.sha1hex(ids)
      redis.call('HSET', packs, chunk.receipt, text)
    else
      chunk.ids = ids
      for i = at, to do hold(gotIds[i], got[i]) end
    end
    chunksOut[#chunksOut + 1] = chunk
  end
end

`;
