-- Returns units of ended holds of one bucket to Redis, after PostgreSQL has committed their end.
-- KEYS[1] stock hash {available, epoch, run}   KEYS[2] buyers hash
-- ARGV per hold: user, quantity (units), ledger epoch of that commit
-- OUTCOMES, counted: {returned, ignored}; ignored under another epoch, because that load has counted
--   them, and in a load that another server process was given, because the next one will.
-- Not repeatable: a caller that lost the answer leaves it to the repair, so Redis may be too low, never too high.
local stock = redis.call('HMGET', KEYS[1], 'available', 'epoch', 'run')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local returned, ignored = 0, 0
for at = 1, #ARGV, 3 do
  local user, units, epoch = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
  if stock[1] and stock[2] == epoch and stock[3] == run then
    redis.call('HINCRBY', KEYS[1], 'available', units)
    redis.call('HINCRBY', KEYS[2], user, -units)
    returned = returned + 1
  else
    ignored = ignored + 1
  end
end
return {returned, ignored}
