/**
 * The parts that the Lua scripts (redis-scripts.ts) are made of. KEYS[1] is the queue's `ready` key, for the routing of a cluster, `inCluster` says whether that is one; ARGV[1] is the queue's prefix,
 * from which the scripts build the other names (redis-keys.ts), since buckets and consumers are known only from the
 * data. All are in one slot.
 *
 * Rules they keep, because Redis undoes nothing:
 *  - everything is parsed and checked, types of keys included, before the first write;
 *  - what must work on a full server frees first: once a script has deleted something, Redis lets it write on;
 *  - no more than 800 values are unpacked at once.
 *
 * Positions in a message are those of message.ts plus one: version 3, care 4, lapses 13, deaths 14, priority 15-19,
 * expiry 26-38, id from 39.
 */
import { CONCURRENCY_KEY_MAX_CHARS, DEAD_MAX, DEAD_TTL_MS, ID_MARK_LIFE_MS, ID_MAX_CHARS, SUSPECT_LAPSES } from '../limits.js';

/** Where the record of an id is. */
export const WHERE = `
local function generated(id)
  return #id == 19 and not string.find(id, '[^0-9a-z]')
end

-- The bucket, and the field within it.
local function whereIs(id)
  if generated(id) then return string.sub(id, 1, 16), string.sub(id, 17) end
  return id, id
end
`;

/** What nearly all of them begin with, be they as short as they may. */
export const START = `
local P = ARGV[1]
-- Looking a global up costs as much as many a call of it.
local ssub, sfind, smatch, sbyte = string.sub, string.find, string.match, string.byte
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Each half is a small whole number, which costs a third of a large one.
local function stamp(ms)
  return string.format('%010d%03d', ms / 1000, ms % 1000)
end
`;

/** The tools of all but the shortest. */
export const TOOLS = `
local function expect(name, kind)
  local found = redis.call('TYPE', P .. name).ok
  if found ~= 'none' and found ~= kind then
    error('WRONGTYPE ' .. P .. name .. ' is a ' .. found .. ' and not a ' .. kind, 0)
  end
end

local expected = {}

-- For keys that many items of one call share.
local function expectOnce(name, kind)
  if expected[name] then return end
  expect(name, kind)
  expected[name] = true
end

local function free()
  redis.call('DEL', P .. 'nothing')
end

local function inGroups(list, call)
  for from = 1, #list, 800 do
    call(unpack(list, from, math.min(from + 799, #list)))
  end
end

${WHERE}
local function expectRecord(id)
  expectOnce('result:' .. (whereIs(id)), 'hash')
end

`;

/** What most scripts begin with. */
export const PRELUDE = `${START}${TOOLS}
-- Names and kinds in turns. False where none of them exists, which takes one look at all.
local function expectAll(...)
  local keys, n = {}, select('#', ...)
  for i = 1, n, 2 do keys[#keys + 1] = P .. (select(i, ...)) end
  if redis.call('EXISTS', unpack(keys)) == 0 then return false end
  for i = 1, n, 2 do expect(select(i, ...)) end
  return true
end

local function expectMarks()
  return expectAll('marks', 'hash', 'far', 'hash', 'cancels', 'hash')
end

-- Whether a mark is in force: until when it holds, once or always, and when it is forgotten.
local function inForce(mark)
  local untilMs, ends = tonumber(string.sub(mark, 1, 13)), tonumber(string.sub(mark, 15))
  return (untilMs == 0 or untilMs > now) and (ends == 0 or ends > now)
end

-- Of a message in one line; nothing of what is none. The numbers before them are not looked at: that would cost as much
-- as all the rest, and whoever reads them can do with nonsense.
-- Of a keyed one its key and limit too.
local function idAndName(m)
  -- The first pattern is that of nearly all ids, and much cheaper.
  local id, name = smatch(m, '^(%w+) ([^"\\\\%c]+)",', 39)
  if not id then id, name = smatch(m, '^([^%z\\1-\\32"\\\\\\127-\\255]+) ([^"\\\\%c]+)",', 39) end
  if not id or #id > ${ID_MAX_CHARS} or not sfind(m, '^%["1[0-?]') or sfind(m, '\\n', 1, true) then return end
  if sbyte(m, 4) < 56 then return id, name end
  local limit, key, own = smatch(name, '^([1-9]%d?%d?%d?)=([^ \\128-\\255]+) (.+)$')
  if key and #key <= ${CONCURRENCY_KEY_MAX_CHARS} then return id, own, key, tonumber(limit) end
end
`;

/** What a move brought to a consumer that cannot take it any more: it came from `ready`. */
export const LANDING = `
-- A ring wakes a consumer that waits at ready for what stands beside it. It is only ever alone in the list.
local rung

local function unring()
  if rung == nil then rung = redis.call('LINDEX', P .. 'ready', 0) == '' end
  if rung then redis.call('LPOP', P .. 'ready') end
  rung = false
end

local function giveLandingBack(consumer)
  for _, m in ipairs(redis.call('LRANGE', P .. 'landing:' .. consumer, 0, -1)) do
    unring()
    if m ~= '' then redis.call('LPUSH', P .. 'ready', m) end
  end
  redis.call('DEL', P .. 'landing:' .. consumer)
end
`;

/** Where a message goes that can be leased from now on. */
export const PLACE = `${LANDING}
local function ring()
  if redis.call('LLEN', P .. 'ready') == 0 then
    redis.call('RPUSH', P .. 'ready', '')
    rung = true
  end
end

local function place(m, atHead)
  -- What is no message of this version waits among the others: whoever leases it knows what to do.
  if string.byte(m, 3) == 49 and string.byte(m, 4) % 2 == 1 then
    if (tonumber(string.sub(m, 13, 13), 36) or 0) >= ${SUSPECT_LAPSES} then
      redis.call(atHead and 'LPUSH' or 'RPUSH', P .. 'suspects', m)
      return ring()
    end
    local priority = tonumber(string.sub(m, 15, 19)) or 0
    if priority ~= 0 then
      local arrival = atHead and -redis.call('HINCRBY', P .. 'arrivals', 'front', 1)
        or redis.call('HINCRBY', P .. 'arrivals', 'back', 1)
      redis.call('ZADD', P .. (priority > 0 and 'hi' or 'lo'), string.format('%.0f', -priority * 1099511627776 + arrival), m)
      return ring()
    end
  end
  unring()
  redis.call(atHead and 'LPUSH' or 'RPUSH', P .. 'ready', m)
end

local function expectPlaces()
  expect('ready', 'list')
  expectAll('suspects', 'list', 'arrivals', 'hash', 'hi', 'zset', 'lo', 'zset', 'scheduled', 'zset', 'far', 'hash')
end
`;

/** Records of ended tasks, by bucket, and the push to those who wait. */
export const RECORDS = `
local groups, groupOf = {}, {}
-- True where so little ends that to tell of it costs no more than to ask whether anybody listens.
local isLittle = false

local function groupOfBucket(bucket)
  local group = groupOf[bucket]
  if group then return group end
  -- Most records end where nobody waits for them. A node of a cluster does not know of those who listen at others.
  local channel = P .. 'done:' .. bucket
  local isHeard = inCluster or isLittle or redis.call('PUBSUB', 'NUMSUB', channel)[2] > 0
  group = {bucket = bucket, ttl = 0, n = 0, fields = {}, channel = channel, lines = isHeard and {}}
  groupOf[bucket] = group
  groups[#groups + 1] = group
  -- What is about to end without having run was not known when the call was checked.
  if not expected['result:' .. bucket] then
    local found = redis.call('TYPE', P .. 'result:' .. bucket).ok
    group.blocked = found ~= 'none' and found ~= 'hash'
  end
  return group
end

-- Where the record of an id goes: as whereIs, but most ids of a call are of buckets that it has met.
local function placeOf(id)
  if #id == 19 then
    local group = groupOf[ssub(id, 1, 16)]
    if group and not sfind(id, '[^0-9a-z]', 17) then return group, ssub(id, 17) end
  end
  local bucket, field = whereIs(id)
  return groupOfBucket(bucket), field
end

local expiries = {}

local function expiryIn(ttlSeconds)
  local text = expiries[ttlSeconds] or stamp(now + ttlSeconds * 1000)
  expiries[ttlSeconds] = text
  return text
end

-- n counts values: a field and its value, an id and its record.
local function settleAt(group, field, id, ttlSeconds, record)
  if ttlSeconds > group.ttl then group.ttl = ttlSeconds end
  local n, fields, lines = group.n, group.fields, group.lines
  fields[n + 1], fields[n + 2] = field, expiryIn(ttlSeconds) .. record
  if lines then lines[n + 1], lines[n + 2] = id, #record > 1024 and '' or record end
  group.n = n + 2
end

local function settle(id, ttlSeconds, record)
  local group, field = placeOf(id)
  settleAt(group, field, id, ttlSeconds, record)
end

-- The same for many: ids, times to live and records in turns, from the second value on. \`bucket\` where all are of one.
local function settleAll(values, bucket)
  if bucket == '-' then
    for i = 2, #values, 3 do
      local group, field = placeOf(values[i])
      if group.blocked then expectRecord(values[i]) end
      settleAt(group, field, values[i], values[i + 1], values[i + 2])
    end
    return
  end
  local group = groupOfBucket(bucket)
  if group.blocked then expectRecord(values[2]) end
  local n, fields, lines, ttl, expiry = group.n, group.fields, group.lines, nil, nil
  for i = 2, #values, 3 do
    local id, record = values[i], values[i + 2]
    if values[i + 1] ~= ttl then
      ttl = values[i + 1]
      expiry = expiryIn(ttl)
      if ttl > group.ttl then group.ttl = ttl end
    end
    fields[n + 1], fields[n + 2] = ssub(id, 17), expiry .. record
    if lines then lines[n + 1], lines[n + 2] = id, #record > 1024 and '' or record end
    n = n + 2
  end
  group.n = n
end

local function flushSettled()
  for _, group in ipairs(groups) do
    local key = P .. 'result:' .. group.bucket
    if group.n > 0 and not group.blocked then
      -- A small hash is searched from end to end for each field; one long value makes it a table before many fields come at once.
      local grows = group.n > 128 and redis.call('EXISTS', key) == 0
      if grows then redis.call('HSET', key, '', string.rep(' ', 65)) end
      inGroups(group.fields, function(...) redis.call('HSET', key, ...) end)
      if grows then redis.call('HDEL', key, '') end
      -- A little longer than needed, so that the next ones seldom have to prolong it; each value has its own expiry.
      if redis.call('TTL', key) < group.ttl then redis.call('EXPIRE', key, math.ceil(group.ttl * 1.05) + 60) end
    end
    if group.n > 0 and group.lines then redis.call('PUBLISH', group.channel, table.concat(group.lines, '\\n')) end
  end
end
`;

/** The same, and what else belongs to an end. */
export const SETTLE = `${RECORDS}
local function hasRecord(id)
  local bucket, field = whereIs(id)
  local group = groupOf[bucket]
  if group then
    for i = 1, group.n, 2 do
      if group.fields[i] == field then return true end
    end
  end
  return redis.call('HEXISTS', P .. 'result:' .. bucket, field) == 1
end

-- A mark on one invocation outlives it by at most so long; far knows those that are due later than that.
local function markOne(id, untilMs, once)
  local due = tonumber(redis.call('HGET', P .. 'far', id) or 0)
  redis.call('HSET', P .. 'marks', 'i:' .. id, stamp(untilMs) .. once .. stamp(math.max(now, due) + ${ID_MARK_LIFE_MS}))
end

local function forgetMark(id)
  redis.call('HDEL', P .. 'marks', 'i:' .. id)
end

local function bury(id, m, reason)
  redis.call('HSET', P .. 'dead', id, stamp(now) .. reason .. '\\n' .. m)
  redis.call('ZADD', P .. 'dead-at', now, id)
  local old = redis.call('ZRANGEBYSCORE', P .. 'dead-at', '-inf', now - ${DEAD_TTL_MS}, 'LIMIT', 0, 100)
  if #old == 0 and redis.call('ZCARD', P .. 'dead-at') > ${DEAD_MAX} then
    old = redis.call('ZRANGE', P .. 'dead-at', 0, 0)
  end
  if #old > 0 then
    redis.call('HDEL', P .. 'dead', unpack(old))
    redis.call('ZREM', P .. 'dead-at', unpack(old))
  end
end

-- True where there are marks.
local function expectRecords()
  expectAll('dead', 'hash', 'dead-at', 'zset')
  return expectMarks()
end
`;
