-- What this server believes about one bucket, at one instant.
-- KEYS[1] stock hash {available, epoch, open, run}   KEYS[2] pending hash   KEYS[3] buyers hash
-- ARGV[1] 1 to list the pending claims too, else 0
-- OUTCOMES: {open, available (units), epoch, buyers known, now (ms), pending hash as field, value, …}; open is 0 for what is
--   absent, being loaded, or loaded into another server process: then the numbers mean nothing.
local stock = redis.call('HMGET', KEYS[1], 'available', 'epoch', 'open', 'run')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local time = redis.call('TIME')
local now_ms = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
local pending = ARGV[1] == '1' and redis.call('HGETALL', KEYS[2]) or {}
local open = stock[1] and stock[3] and stock[4] == run
return {open and 1 or 0, stock[1] or '0', stock[2] or '0', redis.call('HLEN', KEYS[3]), now_ms, pending}
