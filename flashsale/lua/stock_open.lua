-- Ends a load of one item, once its epoch is durable in PostgreSQL: claims may begin.
-- KEYS[1] stock hash {load, open}
-- ARGV[1] load id
-- OUTCOMES: opened; or superseded, if another load has begun: nothing is touched.
if redis.call('HGET', KEYS[1], 'load') ~= ARGV[1] then
  return 'superseded'
end
redis.call('HSET', KEYS[1], 'open', 1)
return 'opened'
