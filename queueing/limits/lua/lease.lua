-- Says that a process serves limits, and tells it how many do: its lease is one part in so many of every quota.
--
-- KEYS[1]  processes, sorted set of ids by the instant of their lapse in ms
-- ARGV[1]  id of the process   ARGV[2] milliseconds after which it lapses unless it comes again
--
-- OUTCOMES {name, number of processes}
--   renewed  the process was known, so the others count it already
--   joined   it is new, has lapsed, or Redis has forgotten it: the others learn of it at their next renewal
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms)
local new = redis.call('ZADD', KEYS[1], now_ms + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { new == 1 and 'joined' or 'renewed', redis.call('ZCARD', KEYS[1]) }
