"""The Lua behind what the online store knows of a source's stream: its newest event, and which writer process owns a shard.

The rule: each is one step, and right when it runs twice. See `source_streams`.
"""

from tilefold.stores.script_runner import Script

# KEYS latest; ARGV microseconds as 8 bytes. Only grows.
LATEST = Script("""
local old = redis.call('GET', KEYS[1])
if not old or struct.unpack('>i8', old) < struct.unpack('>i8', ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1]) end
return 1
""")

# KEYS writers, reports, owners...; ARGV writer, lease in ms, what it reports. Answers a digit per shard, 1 where the writer
# owns it now. Time is the server's, which all writers share. What a writer reported goes with it.
CLAIM = Script("""
local time, mine, lease = redis.call('TIME'), ARGV[1], tonumber(ARGV[2])
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, mine)
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - lease)) do
  redis.call('ZREM', KEYS[1], dead)
  redis.call('HDEL', KEYS[2], dead)
end
redis.call('HSET', KEYS[2], mine, ARGV[3])
redis.call('PEXPIRE', KEYS[1], lease * 10)
redis.call('PEXPIRE', KEYS[2], lease * 10)
local writers = redis.call('ZRANGE', KEYS[1], 0, -1)
table.sort(writers)
local place = 0
for i, writer in ipairs(writers) do if writer == mine then place = i - 1 end end
local owned = {}
for i = 3, #KEYS do
  local owner, wanted = redis.call('GET', KEYS[i]), (i - 3) % #writers == place
  if owner == mine and not wanted then redis.call('DEL', KEYS[i]) end
  if wanted and (not owner or owner == mine) then
    redis.call('SET', KEYS[i], mine, 'PX', lease)
    owned[#owned + 1] = '1'
  else
    owned[#owned + 1] = '0'
  end
end
return table.concat(owned)
""")

# KEYS writers, reports, owners...; ARGV writer.
RELEASE = Script("""
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
for i = 3, #KEYS do
  if redis.call('GET', KEYS[i]) == ARGV[1] then redis.call('DEL', KEYS[i]) end
end
return 1
""")
