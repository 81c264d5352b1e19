-- Ends a load of one bucket, once its epoch is durable in PostgreSQL: claims may begin.
-- KEYS[1] stock hash {load, open, run}
-- ARGV[1] load id
-- OUTCOMES: opened; or superseded, if another load has begun, or another server process since: nothing is touched.
local stock = redis.call('HMGET', KEYS[1], 'load', 'run')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if stock[1] ~= ARGV[1] or stock[2] ~= run then
  return 'superseded'
end
redis.call('HSET', KEYS[1], 'open', 1)
return 'opened'
