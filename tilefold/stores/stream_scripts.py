"""The Lua that writes stream parts, where a comparison and the write that depends on it are one step.

The rule: a stream part is only replaced by one that was made from it (its revision is compared), only while the view takes the
stream of the very log that the writer reads, by the registration or seeding that the writer knows, and only from the places
behind which the writer began to read. In a view's state hash stand

    log      24 bytes: which stream log the view takes, and the token of the registration or seeding that it takes it by
    w0 ...   16 bytes per shard: how far the log is in all stream parts, and the epoch in force behind it
    seed     the token of a sync that is writing all stream parts anew

A server that was killed may come back without its last writes: then places are behind what a writer believes, and it is refused
before it writes. The places of one shard do not say what parts lack of another; so a writer is refused by the server's run id
too, until it has looked, and forgets the parts it knew. So is a writer that others have overtaken: the log may have been
trimmed where it began to read, barriers and all, so what it read may be of another epoch than it believes.
"""

from tilefold.engine.stream_codec import REVISION, REVISION_START
from tilefold.stores.online_scripts import COMPARE, RUN_ID
from tilefold.stores.script_runner import Script

LOG_FIELD = b"log"
PLACE_PREFIX = b"w"
SEED_FIELD = b"seed"

_REVISION_FIRST, _REVISION_LAST = REVISION_START + 1, REVISION_START + REVISION.size  # Lua counts from 1, both ends in

# A key that had no field gets its time to live; one that expires lives at least as long; one that lives for ever stays so.
_EXPIRE = """
local function expire(key, ttl, fresh)
  if ttl == '' then return end
  local left = fresh and 0 or redis.call('PTTL', key)
  if left >= 0 and left < tonumber(ttl) then redis.call('PEXPIRE', key, ttl) end
end
"""

# KEYS state; answers the state's fields and values, and the server's run id.
TAKEN = Script(f"""{RUN_ID}
return {{redis.call('HGETALL', KEYS[1]), run_id()}}
""")

# KEYS state, entities...; ARGV log and token, the mark by which rows were dropped ('' for none), the server's run id, ttl in
# ms ('' for none), how many places, (field, position) of each, then of each entity the revision it must have ('' for no
# stream part) and the new part. Answers a digit per entity, 1 where it was written; nothing where the view does not take this
# log by this token, its places are others than these, its mark is older than that one, or the server was started again.
# A key that had no field gets its time to live; one that has a batch part without one keeps living.
WRITE_STREAM = Script(f"""{COMPARE}{_EXPIRE}{RUN_ID}
local call, state = redis.call, KEYS[1]
if call('HGET', state, 'log') ~= ARGV[1] or run_id() ~= ARGV[3] then return '' end
if ARGV[2] ~= '' then
  local mark = call('HGET', state, 'mark')
  if not mark or above(ARGV[2], mark) then return '' end
end
local first = 6 + 2 * ARGV[5]
for i = 6, first - 1, 2 do
  local place = call('HGET', state, ARGV[i])
  if not place or struct.unpack('>i8', place) ~= struct.unpack('>i8', ARGV[i + 1]) then return '' end
end
local done = {{}}
for i = 2, #KEYS do
  local key, at = KEYS[i], first + 2 * (i - 2)
  local old = call('HGET', key, 's')
  local revision = ''
  if old then revision = string.sub(old, {_REVISION_FIRST}, {_REVISION_LAST}) end
  if revision == ARGV[at] then
    local fresh = not old and call('EXISTS', key) == 0
    call('HSET', key, 's', ARGV[at + 1])
    expire(key, ARGV[4], fresh)
    done[#done + 1] = '1'
  else
    done[#done + 1] = '0'
  end
end
return table.concat(done)
""")

# KEYS state; ARGV log and token, the server's run id, then field and value of each place. Places only grow. Answers 0 where the
# view does not take this log by this token, or the server was started again.
ADVANCE = Script(f"""{RUN_ID}
local state = KEYS[1]
if redis.call('HGET', state, 'log') ~= ARGV[1] or run_id() ~= ARGV[2] then return 0 end
for i = 3, #ARGV, 2 do
  local old = redis.call('HGET', state, ARGV[i])
  local position = struct.unpack('>i8', ARGV[i + 1])
  if not old or struct.unpack('>i8', old) < position then redis.call('HSET', state, ARGV[i], ARGV[i + 1]) end
end
return 1
""")

# KEYS state; ARGV log and token, then field and value of each place. A view that takes a log already, or is being seeded,
# stays as it is.
REGISTER = Script("""
local state = KEYS[1]
if redis.call('HEXISTS', state, 'log') == 1 or redis.call('HEXISTS', state, 'seed') == 1 then return 0 end
redis.call('HSET', state, 'log', unpack(ARGV))
return 1
""")

# KEYS state; ARGV token. From here on writers leave the view alone, and an earlier seeding stops.
BEGIN_SEED = Script("""
local state = KEYS[1]
redis.call('HDEL', state, 'log')
for _, field in ipairs(redis.call('HKEYS', state)) do
  if string.find(field, '^w%d') then redis.call('HDEL', state, field) end
end
redis.call('HSET', state, 'seed', ARGV[1])
return 1
""")

# KEYS state; ARGV log and token, token of a seeding that nobody makes, then field and position of each shard's start. A view
# whose places are behind where its log begins lacks what was trimmed: it is not ready until a sync seeds it anew.
LAPSE = Script("""
local state, behind = KEYS[1], false
if redis.call('HGET', state, 'log') ~= ARGV[1] then return 0 end
for i = 3, #ARGV, 2 do
  local place = redis.call('HGET', state, ARGV[i])
  behind = behind or not place or struct.unpack('>i8', place) < struct.unpack('>i8', ARGV[i + 1])
end
if not behind then return 0 end
redis.call('HDEL', state, 'log', 'mark')
for _, field in ipairs(redis.call('HKEYS', state)) do
  if string.find(field, '^w%d') then redis.call('HDEL', state, field) end
end
redis.call('HSET', state, 'seed', ARGV[2])
return 1
""")

# KEYS state, entities...; ARGV token, ttl in ms ('' for none), parts...
SEED = Script(f"""{_EXPIRE}
local call = redis.call
if call('HGET', KEYS[1], 'seed') ~= ARGV[1] then return 0 end
for i = 2, #KEYS do
  local fresh = call('EXISTS', KEYS[i]) == 0
  call('HSET', KEYS[i], 's', ARGV[i + 1])
  expire(KEYS[i], ARGV[2], fresh)
end
return 1
""")

# KEYS state, entities...; ARGV token of the seeding, which removes the parts that it did not write.
CLEAR = Script("""
if redis.call('HGET', KEYS[1], 'seed') ~= ARGV[1] then return 0 end
for i = 2, #KEYS do redis.call('HDEL', KEYS[i], 's') end
return 1
""")
