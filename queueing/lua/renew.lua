-- Leases more positions to a loaded room and tells it the plan's present rate, window and pause.
--
-- KEYS[1] room, hash
-- ARGV[1] epoch   ARGV[2] mark, already committed in PostgreSQL   ARGV[3] rate, a second
-- ARGV[4] opens, epoch milliseconds   ARGV[5] closes, epoch milliseconds   ARGV[6] paused, 0 or 1
-- ARGV[7] retention after closing, seconds
--
-- OUTCOMES {name}
--   renewed     the lease reaches to `mark` or further
--   not_loaded  no room here, one of another server process, or one of another epoch: nothing was written
local room = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'mark')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if not room[1] or room[1] ~= run or tonumber(room[2]) ~= tonumber(ARGV[1]) then
  return {'not_loaded'}
end

redis.call('HSET', KEYS[1], 'mark', math.max(tonumber(room[3]), tonumber(ARGV[2])), 'rate', ARGV[3],
  'opens_ms', ARGV[4], 'closes_ms', ARGV[5], 'paused', ARGV[6])
redis.call('EXPIREAT', KEYS[1], math.ceil(ARGV[5] / 1000) + tonumber(ARGV[7]))
return {'renewed'}
