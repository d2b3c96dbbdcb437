"""Which place in a stream log each event id has: for logs that cannot keep repeats out themselves, on a Redis-protocol server.

The rule: an id has one place, that of the first event of it that was claimed; a consumer drops an event whose id has another.
So it does not matter who claims first, a producer or a reader, nor whether one of them died in between. An id is remembered for
the horizon. The keys are those of `valkey_log_scripts`; places are texts that only the log understands.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from xxhash import xxh3_128_digest

from tilefold.engine.time import DAY_US
from tilefold.stores.online_link import OnlineLink
from tilefold.stores.script_runner import Call, Script, batched

_AT_ONCE = 1000

# KEYS log; ARGV today, oldest day, ttl of ids in ms, 1 to count new ones as events, (hash, place) per id; no place: only look.
# Answers the place of each id, '' for one that has none.
_CLAIM = Script("""#!lua
local call, log = redis.call, KEYS[1]
local known, days, today_known = call('HGET', log, 'days') or '', {}, false
local hashes, held, fresh = {}, {}, {}
for i = 5, #ARGV, 2 do hashes[#hashes + 1] = ARGV[i] end
for day in string.gmatch(known, '-?%d+') do
  local ids = log .. ':ids:' .. day
  if call('EXISTS', ids) == 1 then
    days[#days + 1] = day
    today_known = today_known or day == ARGV[1]
    if tonumber(day) >= tonumber(ARGV[2]) then
      local found = call('HMGET', ids, unpack(hashes))
      for i = 1, #hashes do
        if found[i] then held[hashes[i]] = found[i] end
      end
    end
  end
end
local answer = {}
for i = 5, #ARGV, 2 do
  local hash, place = ARGV[i], ARGV[i + 1]
  if not held[hash] and place ~= '' then
    held[hash] = place
    fresh[#fresh + 1], fresh[#fresh + 2] = hash, place
  end
  answer[#answer + 1] = held[hash] or ''
end
if #fresh > 0 then
  call('HSET', log .. ':ids:' .. ARGV[1], unpack(fresh))
  call('PEXPIRE', log .. ':ids:' .. ARGV[1], ARGV[3])
  if ARGV[4] == '1' then call('HINCRBY', log, 'events', #fresh / 2) end
  if not today_known then days[#days + 1] = ARGV[1] end
  call('HSET', log, 'days', table.concat(days, ' '))
end
return answer
""")

# KEYS log; ARGV (field, number)...; each field only grows
_NOTE = Script("""#!lua flags=allow-oom
for i = 1, #ARGV, 2 do
  local old = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or -1)
  if old < tonumber(ARGV[i + 1]) then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
return 1
""")

# KEYS log; ARGV incarnation to take where there is none or the log is not the one that was noted, (field, end of the log)...
_OPEN = Script("""#!lua
local call, log = redis.call, KEYS[1]
local same = call('HEXISTS', log, 'incarnation') == 1
for i = 2, #ARGV, 2 do
  local noted = tonumber(call('HGET', log, ARGV[i]) or 0)
  same = same and noted <= tonumber(ARGV[i + 1])
end
if not same then
  local days = call('HGET', log, 'days')
  call('DEL', log)
  if days then call('HSET', log, 'days', days) end
  call('HSET', log, 'incarnation', ARGV[1])
end
return call('HGET', log, 'incarnation')
""")


class EventIdPlaces:
    """The ids of one log, and a few numbers that are kept beside them.

    Parameters
    ----------
    key
        The log's hash; those of the ids begin with it.
    horizon_us
        How long an id is remembered.
    now_us
        The clock: it tells the day of arrival.
    """

    def __init__(self, link: OnlineLink, key: str, horizon_us: int, now_us: Callable[[], int]) -> None:
        self._link, self._key, self._horizon_us, self._now_us = link, key.encode(), horizon_us, now_us

    def incarnation(self, drawn: str, ends: Mapping[int, int]) -> str:
        """The name of the log whose shards end there: the noted one, or `drawn` for a log that ends before what was noted."""
        return str(self._link.scripts.ask(_OPEN, Call([self._key], [drawn.encode(), *_fields("end", ends)])).decode())

    def places(self, event_ids: Sequence[str]) -> list[str]:
        """The place of each id; empty for one that has none."""
        return self.claim([(event_id, "") for event_id in event_ids])

    def claim(self, wanted: Iterable[tuple[str, str]], *, count: bool = False) -> list[str]:
        """Give each id the place beside it, unless it has one; the place that each has. With `count`, new ones are events."""
        now_us = self._now_us()
        days = [b"%d" % (now_us // DAY_US), b"%d" % ((now_us - self._horizon_us) // DAY_US)]
        head = [*days, b"%d" % ((self._horizon_us + DAY_US) // 1000), b"%d" % count]
        held: list[str] = []
        for some in batched(wanted, _AT_ONCE):
            pairs = [part for event_id, place in some for part in (xxh3_128_digest(event_id.encode()), place.encode())]
            held += [place.decode() for place in self._link.scripts.ask(_CLAIM, Call([self._key], [*head, *pairs]))]
        return held

    def note(self, name: str, numbers: Mapping[int, int]) -> None:
        """Keep a number per shard, unless a larger one is kept."""
        self._link.scripts.ask(_NOTE, Call([self._key], _fields(name, numbers)))

    def numbers(self, name: str, shards: Iterable[int]) -> dict[int, int]:
        """What `note` kept; 0 where nothing."""
        wanted = list(shards)
        found = self._link.command(b"HMGET", self._key, *(f"{name}:{shard}".encode() for shard in wanted))
        return {shard: int(number or 0) for shard, number in zip(wanted, found, strict=True)}

    def events(self) -> int:
        """How many ids were counted."""
        return int(self._link.command(b"HGET", self._key, b"events") or 0)

    def close(self) -> None:
        """Close the connections."""
        self._link.close()


def _fields(name: str, numbers: Mapping[int, int]) -> list[bytes]:
    return [part for shard, number in numbers.items() for part in (f"{name}:{shard}".encode(), b"%d" % number)]
