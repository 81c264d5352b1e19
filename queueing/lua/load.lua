-- Writes a room into this server under a new epoch, from what PostgreSQL has committed, and binds it to the server.
--
-- Fields of the room: run (run id of the server process it was given to), epoch, next (first position not given),
-- mark (first position not leased), frontier, gaps ("from:to,…", positions lost before they were given), rate
-- (positions a second), opens_ms, closes_ms, paused (0 or 1), tick_us (last step of the frontier), fence,
-- pace (0 to 1, the part of the rate that the last step was given; missing before the first).
--
-- KEYS[1] room, hash
-- ARGV[1] epoch   ARGV[2] next   ARGV[3] mark   ARGV[4] frontier   ARGV[5] gaps   ARGV[6] rate, a second
-- ARGV[7] opens, epoch milliseconds   ARGV[8] closes, epoch milliseconds   ARGV[9] paused, 0 or 1
-- ARGV[10] retention after closing, seconds
--
-- OUTCOMES {name}
--   loaded  the room counts from `next` on
--   newer   another keeper has loaded it under a later epoch; nothing was written
local stored = redis.call('HMGET', KEYS[1], 'run', 'epoch')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if stored[1] == run and tonumber(stored[2]) >= tonumber(ARGV[1]) then
  return {'newer'}
end

redis.call('HSET', KEYS[1], 'run', run, 'epoch', ARGV[1], 'next', ARGV[2], 'mark', ARGV[3], 'frontier', ARGV[4],
  'gaps', ARGV[5], 'rate', ARGV[6], 'opens_ms', ARGV[7], 'closes_ms', ARGV[8], 'paused', ARGV[9],
  -- Terms are counted anew: a step of an earlier leader that slips in moves the frontier at the same pace, no more.
  'fence', 0)
redis.call('HSETNX', KEYS[1], 'tick_us', 0)
redis.call('EXPIREAT', KEYS[1], math.ceil(ARGV[8] / 1000) + tonumber(ARGV[10]))
return {'loaded'}
