-- Claims units of one item for a whole batch: checks everything first, writes last, each operation at most once.
-- KEYS[1] stock hash {available, epoch, open, until, run}   KEYS[2] pending hash   KEYS[3] buyers hash
-- ARGV[1] per-user limit (units); then per operation: operation, reservation id, user, quantity (units)
-- OUTCOMES, one an operation, in order, after the epoch (decimal):
--   claimed             units are taken; said again to a repeat of the same reservation id
--   in_progress         the same operation is pending under another reservation id
--   limit_reached       the user would have more than the limit
--   sold_out            not so many units are free
--   sold_out_to_buyer   the same, to a user who has reserved before: an old key may be repeated
-- or not_loaded alone: Redis does not know this item and must not say yes; nor may a server that restarted or was
-- promoted since the load, for it may have gone back in time.
local stock = redis.call('HMGET', KEYS[1], 'available', 'epoch', 'open', 'until', 'run')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if not stock[1] or not stock[3] or stock[5] ~= run then
  return {'not_loaded'}
end
local available = tonumber(stock[1])
local limit = tonumber(ARGV[1])
local time = redis.call('TIME')
local now_ms = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
local outcomes = {stock[2]}
local counts, claims = {}, {}
for at = 2, #ARGV, 4 do
  local operation, id, user, units = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local pending = redis.call('HGET', KEYS[2], operation)
  local had = counts[user] or redis.call('HGET', KEYS[3], user)
  local outcome
  if pending then
    outcome = string.sub(pending, 1, #id) == id and 'claimed' or 'in_progress'
  elseif tonumber(had or 0) + units > limit then
    outcome = 'limit_reached'
  elseif units > available then
    outcome = had and 'sold_out_to_buyer' or 'sold_out'
  else
    outcome = 'claimed'
    available = available - units
    counts[user] = tonumber(had or 0) + units
    claims[#claims + 1] = {operation, id .. ' ' .. user .. ' ' .. ARGV[at + 3] .. ' ' .. now_ms}
  end
  outcomes[#outcomes + 1] = outcome
end
for _, claim in ipairs(claims) do
  redis.call('HSET', KEYS[2], claim[1], claim[2])
end
for user, count in pairs(counts) do
  redis.call('HSET', KEYS[3], user, count)
end
if #claims > 0 then
  redis.call('HSET', KEYS[1], 'available', available)
  redis.call('EXPIREAT', KEYS[2], stock[4])
  redis.call('EXPIREAT', KEYS[3], stock[4])
end
return outcomes
