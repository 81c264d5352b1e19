-- Reports to Redis what PostgreSQL decided about claims of one item.
-- KEYS[1] stock hash {available, epoch, until, run}   KEYS[2] pending hash   KEYS[3] buyers hash
-- ARGV per operation: operation, reservation id, user, quantity (units), verdict, ledger epoch ('' if refused)
--   verdict committed: the claim has become a reservation. A pending claim is only struck off: its units are counted
--     already. Without one (PostgreSQL decided alone, or Redis was loaded in between) the units are taken now, but only
--     under the epoch of that commit: a later load has counted them.
--   verdict refused: a pending claim gives its units back; without one nothing was taken here.
-- OUTCOMES, counted: {struck_off, lowered, given_back, ignored}; all are ignored in a load that another server process
--   was given: the next load counts them.
local stock = redis.call('HMGET', KEYS[1], 'available', 'epoch', 'until', 'run')
if stock[1] and stock[4] ~= string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') then
  return {0, 0, 0, #ARGV / 6}
end
local struck_off, lowered, given_back, ignored = 0, 0, 0, 0
for at = 1, #ARGV, 6 do
  local operation, id, user, units = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local committed, epoch = ARGV[at + 4] == 'committed', ARGV[at + 5]
  local pending = redis.call('HGET', KEYS[2], operation)
  local ours = pending and string.sub(pending, 1, #id) == id
  if ours then
    redis.call('HDEL', KEYS[2], operation)
  end
  if ours and committed then
    struck_off = struck_off + 1
  elseif ours and stock[1] then
    redis.call('HINCRBY', KEYS[1], 'available', units)
    redis.call('HINCRBY', KEYS[3], user, -units)
    given_back = given_back + 1
  elseif committed and not ours and stock[1] and stock[2] == epoch then
    redis.call('HINCRBY', KEYS[1], 'available', -units)
    redis.call('HINCRBY', KEYS[3], user, units)
    lowered = lowered + 1
  else
    ignored = ignored + 1
  end
end
if lowered > 0 then
  redis.call('EXPIREAT', KEYS[3], stock[3])
end
return {struck_off, lowered, given_back, ignored}
