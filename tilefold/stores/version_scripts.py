"""The Lua by which one version of a view takes the place of another.

The rule: which version is served stands in one field, and changes in the same step as what tells the readers of the other one.
In the hash `{prefix}:{view}#versions` stand

    served       the version that reads are answered with
    {version}    of each version that the store holds: 0, or when it was switched away from (the server's milliseconds), or -1
                 while it is removed

and in the state of a version that is not served any more `moved`, the version that is.
"""

from tilefold.stores.script_runner import Script

SERVED_FIELD = b"served"
MOVED_FIELD = b"moved"
NOT_READY, OTHER_SERVED, IS_SERVED, UNKNOWN = -1, -2, -3, -4

# KEYS versions; ARGV version. A version that is being removed, or was switched away from, stays so.
ENTER = Script("""
return redis.call('HSETNX', KEYS[1], ARGV[1], '0')
""")

# KEYS versions; ARGV version. The first version of a view is served as soon as it can be; any other by a switch alone.
SERVE_FIRST = Script("""
redis.call('HSETNX', KEYS[1], ARGV[1], '0')
return redis.call('HSETNX', KEYS[1], 'served', ARGV[1])
""")

# KEYS versions, the new version's state, the old one's, store id; ARGV the new version, the old one ('' for none). Answers 1
# when it is served, or was already. -1 where it is not ready in this store: no sync was committed and it takes no stream, or
# its stream parts are being written. -2 where another version than the old one is served.
SWITCH = Script("""
local call, versions, new, old = redis.call, KEYS[1], ARGV[1], ARGV[2]
local served = call('HGET', versions, 'served')
if served == new then return 1 end
if (served or '') ~= old then return -2 end
if call('HGET', versions, new) == '-1' then return -1 end
local state = call('HMGET', KEYS[2], 'mark', 'log', 'seed', 'store')
if state[3] or not (state[1] or state[2]) then return -1 end
if state[1] and state[4] ~= call('GET', KEYS[4]) then return -1 end
local time = call('TIME')
call('HSET', versions, 'served', new, new, '0')
call('HDEL', KEYS[2], 'moved')
if old ~= '' then
  call('HSET', versions, old, string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
  call('HSET', KEYS[3], 'moved', new)
end
return 1
""")

# KEYS versions, state, emptied; ARGV version, for how many ms it must have been switched away. Answers 0 when the state is
# gone, so that nobody reads or writes the version any more; the milliseconds that are left to wait; -3 where it is served, -4
# where it is not there. What its readers are told stays.
REMOVE = Script("""
local call, versions, version = redis.call, KEYS[1], ARGV[1]
if call('HGET', versions, 'served') == version then return -3 end
local since = call('HGET', versions, version)
if not since then return -4 end
if tonumber(since) > 0 then
  local time = call('TIME')
  local left = tonumber(since) + tonumber(ARGV[2]) - (time[1] * 1000 + math.floor(time[2] / 1000))
  if left > 0 then return math.ceil(left) end
end
local moved = call('HGET', KEYS[2], 'moved')
call('HSET', versions, version, '-1')
call('DEL', KEYS[2], KEYS[3])
if moved then call('HSET', KEYS[2], 'moved', moved) end
return 0
""")
