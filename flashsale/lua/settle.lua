-- Reports to Redis what PostgreSQL decided about claims of one bucket.
-- KEYS[1] stock hash {available, epoch, until, run}   KEYS[2] pending hash   KEYS[3] buyers hash
-- ARGV[1] the ledger epoch of the commit, '' if the claims were refused   ARGV[2] the claims in MessagePack, one list a
--   column: operations, reservation ids, users, quantities (units); at most 1000 of each
--   committed: the claim has become a reservation. A pending claim is only struck off: its units are counted already.
--     Without one (PostgreSQL decided alone, or Redis was loaded in between) the units are taken now, but only under the
--     epoch of that commit: a later load has counted them.
--   refused: a pending claim gives its units back; without one nothing was taken here.
-- OUTCOMES, counted: {struck_off, lowered, given_back, ignored}; all are ignored in a load that another server process
--   was given: the next load counts them.
local stock = redis.call('HMGET', KEYS[1], 'available', 'epoch', 'until', 'run')
local operations, ids, users, quantities = unpack(cmsgpack.unpack(ARGV[2]))
if stock[1] and stock[4] ~= string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') then
  return {0, 0, 0, #operations}
end
local committed = ARGV[1] ~= ''
local counted = stock[1] and stock[2] == ARGV[1]
local pending = redis.call('HMGET', KEYS[2], unpack(operations))
local ended, struck_off, lowered, given_back, ignored = {}, 0, 0, 0, 0
for at, operation in ipairs(operations) do
  local id, user, units = ids[at], users[at], quantities[at]
  local ours = pending[at] and string.sub(pending[at], 1, #id) == id
  if ours and committed then
    ended[#ended + 1] = operation
    struck_off = struck_off + 1
  elseif ours and redis.call('HDEL', KEYS[2], operation) == 1 and stock[1] then
    redis.call('HINCRBY', KEYS[1], 'available', units)
    redis.call('HINCRBY', KEYS[3], user, -units)
    given_back = given_back + 1
  elseif counted and not ours then
    redis.call('HINCRBY', KEYS[1], 'available', -units)
    redis.call('HINCRBY', KEYS[3], user, units)
    lowered = lowered + 1
  else
    ignored = ignored + 1
  end
end
if #ended > 0 then
  redis.call('HDEL', KEYS[2], unpack(ended))
end
if lowered > 0 then
  redis.call('EXPIREAT', KEYS[3], stock[3])
end
return {struck_off, lowered, given_back, ignored}
