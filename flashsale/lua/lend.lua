-- Takes free units of one bucket out, to be lent to another. Redis first and the ledger after it: a crash in between leaves
-- Redis below the ledger, never above.
-- KEYS[1] stock hash {available, epoch, open, run}
-- ARGV[1] units wanted
-- OUTCOMES: {units taken, epoch under which they were free}; fewer than wanted where there are not so many, 0 where
--   nothing is known.
-- Not repeatable: a caller that lost the answer leaves it to the repair.
local stock = redis.call('HMGET', KEYS[1], 'available', 'epoch', 'open', 'run')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if not stock[1] or not stock[3] or stock[4] ~= run then
  return {0, '0'}
end
local units = math.max(0, math.min(tonumber(ARGV[1]), tonumber(stock[1])))
if units > 0 then
  redis.call('HINCRBY', KEYS[1], 'available', -units)
end
return {units, stock[2]}
