-- Gives one bucket in Redis the units that it was lent, after PostgreSQL has committed the loan.
-- KEYS[1] stock hash {available, epoch, run}
-- ARGV[1] units   ARGV[2] the bucket's ledger epoch in that commit
-- OUTCOMES: raised; or ignored under another epoch, because that load has counted them, and in a load that another server
--   process was given, because the next one will.
-- Not repeatable: a caller that lost the answer leaves it to the repair, so Redis may be too low, never too high.
local stock = redis.call('HMGET', KEYS[1], 'available', 'epoch', 'run')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if not stock[1] or stock[2] ~= ARGV[2] or stock[3] ~= run then
  return 'ignored'
end
redis.call('HINCRBY', KEYS[1], 'available', ARGV[1])
return 'raised'
