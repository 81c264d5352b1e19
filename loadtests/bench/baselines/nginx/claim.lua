-- Limits, claims and remembers one purchase in one step: what a careful engineer puts into one script.
-- KEYS[1] stock hash {sku: units free}   KEYS[2] buyers hash {user sku: units}   KEYS[3] answers hash {user key: id}
-- KEYS[4] bucket of the user, string: the instant from which it is full again, microseconds
-- ARGV[1] user   ARGV[2] sku   ARGV[3] idempotency key   ARGV[4] quantity (units)   ARGV[5] per-user limit (units)
-- ARGV[6] reservation id   ARGV[7] microseconds a request costs its bucket, 0 for no limit   ARGV[8] burst (requests)
-- OUTCOMES {name, detail}
--   granted      units are taken, detail is the reservation id
--   replayed     this key was answered before, detail is its reservation id
--   limited      the bucket is empty, detail is the wait in microseconds
--   limit        the user would have more than the limit
--   sold_out     not so many units are free
local named = ARGV[1] .. ' ' .. ARGV[3]
local first = redis.call('HGET', KEYS[3], named)
if first then
  return {'replayed', first}
end
local cost = tonumber(ARGV[7])
local full_at, now
if cost > 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
  full_at = math.max(tonumber(redis.call('GET', KEYS[4]) or 0), now) + cost
  if full_at - now > cost * tonumber(ARGV[8]) then
    return {'limited', full_at - now - cost * tonumber(ARGV[8])}
  end
end
local units = tonumber(ARGV[4])
local owner = ARGV[1] .. ' ' .. ARGV[2]
local had = tonumber(redis.call('HGET', KEYS[2], owner) or 0)
if had + units > tonumber(ARGV[5]) then
  return {'limit', ''}
end
local free = tonumber(redis.call('HGET', KEYS[1], ARGV[2]) or 0)
if units > free then
  return {'sold_out', ''}
end
if full_at then
  redis.call('SET', KEYS[4], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
end
redis.call('HSET', KEYS[1], ARGV[2], free - units)
redis.call('HSET', KEYS[2], owner, had + units)
redis.call('HSET', KEYS[3], named, ARGV[6])
return {'granted', ARGV[6]}
