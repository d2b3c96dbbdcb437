"""The Lua that runs inside the online store, where a comparison and the write that depends on it are one step.

The rule: stamps and marks only grow, in both parts, whoever writes. A script takes its keys and arguments as they are laid out
below and answers 1 when it did what it was asked, 0 when a newer stamp or mark stood against it (the sync is superseded).

    state    hash, one per view and version: `mark` (16 bytes), `store` (the store's id), `+` with 16 bytes per begun sync; of a
             stream view also what `stream_scripts` keeps there
    entity   hash, one per entity: `b`, the batch part, and `s`, the stream part

Stamps are unpacked to doubles, exact up to 2^53: microseconds until the year 2255, and 9e15 compactions. They are not compared
as text, since Lua's `<` on texts depends on the server's locale. A part too short to have a stamp is broken: it
stands in nobody's way and is written over. All keys of one script must live on one server: the state and the entities of a view
are not in one slot of a cluster, so a cluster is refused; there, the mark could be compared by the client, once per pipeline.
"""

from tilefold.engine.codec import EMPTY_FLAG, HEADER
from tilefold.engine.mark import STAMP_SIZE_BYTES
from tilefold.stores.script_runner import Script

MARK_FIELD = b"mark"
STORE_FIELD = b"store"
BEGUN_PREFIX = b"+"
BATCH_FIELD = b"b"
STREAM_FIELD = b"s"

_STAMP_FIRST, _STAMP_LAST = HEADER.size + 1, HEADER.size + STAMP_SIZE_BYTES  # Lua counts from 1, both ends in

COMPARE = """
local function above(a, b)
  if a == b or #a < 16 then return false end
  local a_time, a_epoch = struct.unpack('>i8i8', a)
  local b_time, b_epoch = struct.unpack('>i8i8', b)
  return a_time > b_time or a_epoch > b_epoch
end
"""
RUN_ID = """
local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end
"""
_STAMP_OF = f"""
local function stamp_of(part)
  return string.sub(part, {_STAMP_FIRST}, {_STAMP_LAST})
end
"""

# KEYS state; ARGV stamp. Answers the server's run id, 0 where a newer stamp stands against it.
BEGIN = Script(f"""{COMPARE}{RUN_ID}
local state = redis.call('HGETALL', KEYS[1])
for i = 1, #state, 2 do
  local stamp = nil
  if state[i] == 'mark' then stamp = state[i + 1] end
  if string.sub(state[i], 1, 1) == '+' then stamp = string.sub(state[i], 2) end
  if stamp and above(stamp, ARGV[1]) then return 0 end
end
redis.call('HSET', KEYS[1], '+' .. ARGV[1], '')
return run_id()
""")

# KEYS state, entities...; ARGV stamp, ttl in ms ('' for none), parts...
WRITE = Script(f"""{COMPARE}{_STAMP_OF}
local call, mine, ttl = redis.call, ARGV[1], ARGV[2]
local mark = call('HGET', KEYS[1], 'mark')
if mark and above(mark, mine) then return 0 end
for i = 2, #KEYS do
  local key = KEYS[i]
  local old = call('HGET', key, 'b')
  if old and above(stamp_of(old), mine) then return 0 end
  call('HSET', key, 'b', ARGV[i + 1])
  if ttl ~= '' then
    if old or call('PEXPIRE', key, ttl, 'NX') == 0 then call('PEXPIRE', key, ttl, 'GT') end
  end
end
return 1
""")

# KEYS state, entities...; ARGV stamp. Answers how many it removed. A part above the mark stays, since nothing else would stand
# against a sleeper of an older sync that writes the key again.
REMOVE = Script(f"""{COMPARE}{_STAMP_OF}
local mark = redis.call('HGET', KEYS[1], 'mark')
local removed = 0
if not mark then return 0 end
for i = 2, #KEYS do
  local part = redis.call('HGET', KEYS[i], 'b')
  if part and string.byte(part, 2) == {EMPTY_FLAG} and redis.call('HEXISTS', KEYS[i], 's') == 0
      and not above(stamp_of(part), ARGV[1]) and not above(stamp_of(part), mark) then
    removed = removed + redis.call('DEL', KEYS[i])
  end
end
return removed
""")

# KEYS state, store id; ARGV stamp, the store's id and the server's run id at `begin`, and of a sync that has seeded stream
# parts its token, the log and the places (field, value ...) that they include. A repeat is answered as the first time. While
# stream parts are seeded, no other sync commits: the seeding stands on the mark that it found. Answers -1 where this is another
# store than then, or one in which the sync has not begun, or the server was started again: what it wrote before may be lost.
COMMIT = Script(f"""{COMPARE}{RUN_ID}
local state, mine = KEYS[1], ARGV[1]
local mark = redis.call('HGET', state, 'mark')
if mark and above(mark, mine) then return 0 end
local begun = mark == mine or redis.call('HEXISTS', state, '+' .. mine) == 1
if not begun or redis.call('GET', KEYS[2]) ~= ARGV[2] or run_id() ~= ARGV[3] then return -1 end
local seed = redis.call('HGET', state, 'seed')
if ARGV[4] then
  if not seed and mark == mine and redis.call('HGET', state, 'log') == ARGV[5] then return 1 end
  if seed ~= ARGV[4] then return 0 end
  redis.call('HDEL', state, 'seed')
  redis.call('HSET', state, 'log', unpack(ARGV, 5))
elseif seed then
  return 0
end
redis.call('HSET', state, 'mark', mine, 'store', ARGV[2])
for _, field in ipairs(redis.call('HKEYS', state)) do
  if string.sub(field, 1, 1) == '+' and not above(string.sub(field, 2), mine) then redis.call('HDEL', state, field) end
end
return 1
""")
