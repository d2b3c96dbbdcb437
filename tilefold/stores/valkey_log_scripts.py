"""The Lua of the stream log: dedupe, places and entries change in one step, inside the server.

The rule: a script does all of what it says or nothing, and is right when it runs twice. `#!lua` lets the server refuse a script
as a whole when its memory is used up; what must go on then (barriers, trims) is allowed to. Do not change: it is in servers.

    {log}              hash: incarnation, shards, format; last, the last position; events, how many were accepted; days, those
                       that have ids; marked, when `times` was last written; per shard end:N, its last position, count:N, its
                       entries so far, barrier:N, its largest, start:N, its last trimmed position, cut:N, its trimmed entries
    {log}:N            stream, one per shard. Entry `<last position>-<entries in the shard so far>` holds what one call brought:
                       a field and a value per entry, the field its kind and event id, the value its payload or barrier number
    {log}:ids:DAY      hash: XXH3-128 of an event id -> its position; one per day of arrival
    {log}:times        sorted set: position -> server time in ms at or before which it and all before it were written
    {log}:call:SLOT    string: token and answer of the last call of one caller, for a repeat after a broken connection

Positions of one call follow each other shard by shard, so those of one stream entry have no gaps.
"""

from tilefold.stores.script_runner import Script

FORMAT = 1
GONE, FULL = b"gone", b"full"
MARK_EVERY_MS = 10_000

_HEADER = """
local call, log = redis.call, KEYS[1]
local function number(text) return tonumber(text or 0) or 0 end
local function text(value) return string.format('%.0f', value) end
"""

# Whether memory is used up to a share of the limit.
_PRESSED = """
local function pressed(share)
  local facts = call('INFO', 'memory')
  local limit = number(string.match(facts, 'maxmemory:(%d+)'))
  return limit > 0 and number(string.match(facts, 'used_memory:(%d+)')) > limit * share
end
"""

_MARK = """
local function mark(position, every_ms, marked)
  local time = call('TIME')
  local now_ms = number(time[1]) * 1000 + math.floor(number(time[2]) / 1000)
  if every_ms == 0 or now_ms < marked or now_ms >= marked + every_ms then
    call('ZADD', log .. ':times', 'NX', text(now_ms), text(position))
    call('HSET', log, 'marked', text(now_ms))
  end
  return now_ms
end
"""

# KEYS log; ARGV incarnation to take where there is none, shards
OPEN = Script(f"""#!lua
{_HEADER}
call('HSETNX', log, 'incarnation', ARGV[1])
call('HSETNX', log, 'shards', ARGV[2])
call('HSETNX', log, 'format', '{FORMAT}')
return call('HMGET', log, 'incarnation', 'shards', 'format')
""")

# KEYS log, call; ARGV incarnation, token, today, oldest day, ttl of ids in ms, ttl of the answer in ms, share of memory,
# number of runs, (shard, entries) per run, then (hash or '', field, value) per entry.
# Answers `<last position before>:<1 or 0 per entry>`, or one word.
APPEND = Script(f"""#!lua
{_HEADER}{_PRESSED}{_MARK}
local token = ARGV[2]
local held = call('GET', KEYS[2])
if held and string.sub(held, 1, #token) == token then return string.sub(held, #token + 1) end
local known = call('HMGET', log, 'incarnation', 'last', 'days', 'marked')
if known[1] ~= ARGV[1] then return '{GONE.decode()}' end
if pressed(tonumber(ARGV[7])) then return '{FULL.decode()}' end

local runs, first = number(ARGV[8]), 9 + 2 * number(ARGV[8])
local hashes = {{}}
for i = first, #ARGV, 3 do
  if ARGV[i] ~= '' then hashes[#hashes + 1] = ARGV[i] end
end

local taken, days, today_known = {{}}, {{}}, false
for day in string.gmatch(known[3] or '', '-?%d+') do
  local ids = log .. ':ids:' .. day
  if call('EXISTS', ids) == 1 then
    days[#days + 1] = day
    today_known = today_known or day == ARGV[3]
    if #hashes > 0 and tonumber(day) >= tonumber(ARGV[4]) then
      local found = call('HMGET', ids, unpack(hashes))
      for i = 1, #hashes do
        if found[i] then taken[hashes[i]] = true end
      end
    end
  end
end

local base, last, at, events = number(known[2]), number(known[2]), first, 0
local flags, ids = {{}}, {{}}
for run = 1, runs do
  local shard, fields = ARGV[7 + 2 * run], {{}}
  for _ = 1, number(ARGV[8 + 2 * run]) do
    local hash = ARGV[at]
    local fresh = hash == '' or not taken[hash]
    if fresh then
      last = last + 1
      fields[#fields + 1], fields[#fields + 2] = ARGV[at + 1], ARGV[at + 2]
      if hash ~= '' then
        taken[hash], events = true, events + 1
        ids[#ids + 1], ids[#ids + 2] = hash, text(last)
      end
    end
    flags[#flags + 1] = fresh and '1' or '0'
    at = at + 3
  end
  if #fields > 0 then
    local count = number(call('HGET', log, 'count:' .. shard)) + #fields / 2
    call('XADD', log .. ':' .. shard, text(last) .. '-' .. text(count), unpack(fields))
    call('HSET', log, 'end:' .. shard, text(last), 'count:' .. shard, text(count), 'last', text(last))
  end
end
if #ids > 0 then
  call('HSET', log .. ':ids:' .. ARGV[3], unpack(ids))
  call('PEXPIRE', log .. ':ids:' .. ARGV[3], ARGV[5])
  call('HINCRBY', log, 'events', events)
  if not today_known then days[#days + 1] = ARGV[3] end
  call('HSET', log, 'days', table.concat(days, ' '))
end
if last > base then mark(last, {MARK_EVERY_MS}, number(known[4])) end
local answer = text(base) .. ':' .. table.concat(flags)
call('SET', KEYS[2], token .. answer, 'PX', ARGV[6])
return answer
""")

# KEYS log; ARGV incarnation, today, ttl of ids in ms, hashes...
ENTER_IDS = Script(f"""#!lua
{_HEADER}
local known = call('HMGET', log, 'incarnation', 'days')
if known[1] ~= ARGV[1] then return '{GONE.decode()}' end
local ids, days = log .. ':ids:' .. ARGV[2], known[2] or ''
for i = 4, #ARGV do call('HSETNX', ids, ARGV[i], '0') end
call('PEXPIRE', ids, ARGV[3])
if not string.find(' ' .. days .. ' ', ' ' .. ARGV[2] .. ' ', 1, true) then
  call('HSET', log, 'days', days .. ' ' .. ARGV[2])
end
return 'entered'
""")

# KEYS log; ARGV incarnation, number, shards
BARRIER = Script(f"""#!lua flags=allow-oom
{_HEADER}
local known = call('HMGET', log, 'incarnation', 'last')
if known[1] ~= ARGV[1] then return '{GONE.decode()}' end
local last = number(known[2])
for shard = 0, number(ARGV[3]) - 1 do
  local state = call('HMGET', log, 'barrier:' .. shard, 'count:' .. shard)
  if number(state[1]) < number(ARGV[2]) then
    last = last + 1
    local count = number(state[2]) + 1
    call('XADD', log .. ':' .. shard, text(last) .. '-' .. text(count), '1', ARGV[2])
    call('HSET', log, 'barrier:' .. shard, ARGV[2], 'count:' .. shard, text(count))
    call('HSET', log, 'end:' .. shard, text(last), 'last', text(last))
  end
end
return 'stands'
""")

# KEYS log; ARGV incarnation, ms to keep, ms to keep when memory is short, share of memory, (shard, position) to trim up to...
# Answers how many entries are left in all shards.
TRIM = Script(f"""#!lua flags=allow-oom
{_HEADER}{_PRESSED}{_MARK}
local known = call('HMGET', log, 'incarnation', 'last', 'shards')
if known[1] ~= ARGV[1] then return '{GONE.decode()}' end
local now_ms = mark(number(known[2]), 0, 0)
local keep_ms = number(pressed(tonumber(ARGV[4])) and ARGV[3] or ARGV[2])
local old = call('ZREVRANGEBYSCORE', log .. ':times', text(now_ms - keep_ms), '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
if old[1] then
  call('ZREMRANGEBYSCORE', log .. ':times', '-inf', '(' .. old[2])
  for i = 5, #ARGV, 2 do
    local shard = ARGV[i]
    local state = call('HMGET', log, 'end:' .. shard, 'start:' .. shard)
    local cut = math.min(number(old[1]), number(ARGV[i + 1]), number(state[1]))
    if cut > number(state[2]) then
      local stream = log .. ':' .. shard
      local entry = call('XREVRANGE', stream, text(cut), '-', 'COUNT', 1)[1]
      call('XTRIM', stream, 'MINID', text(cut + 1) .. '-0')
      call('HSET', log, 'start:' .. shard, text(cut))
      if entry then call('HSET', log, 'cut:' .. shard, string.match(entry[1], '-(%d+)')) end
    end
  end
end
local left = 0
for shard = 0, number(known[3]) - 1 do
  local state = call('HMGET', log, 'count:' .. shard, 'cut:' .. shard)
  left = left + number(state[1]) - number(state[2])
end
return left
""")
