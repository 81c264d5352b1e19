-- Continues a load of one bucket with a piece of its buyers.
-- KEYS[1] stock hash {load}   KEYS[2] buyers hash
-- ARGV[1] load id   ARGV[2] expiry of the keys (unix seconds); then per buyer: user, units held or bought
-- OUTCOMES: filled; or superseded, if another load has begun: nothing is touched.
if redis.call('HGET', KEYS[1], 'load') ~= ARGV[1] then
  return 'superseded'
end
for at = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
end
redis.call('EXPIREAT', KEYS[2], ARGV[2])
return 'filled'
