-- Begins a load of one bucket: forgets what Redis believed and writes what the ledger says, closed to claims and bound to
-- this server process.
-- KEYS[1] stock hash   KEYS[2] pending hash   KEYS[3] buyers hash
-- ARGV[1] epoch   ARGV[2] load id   ARGV[3] units free in the ledger   ARGV[4] expiry of the keys (unix seconds)
-- OUTCOMES: closed; or newer, if Redis has been loaded under a later epoch: nothing is touched.
local known = redis.call('HGET', KEYS[1], 'epoch')
if known and tonumber(known) > tonumber(ARGV[1]) then
  return 'newer'
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
redis.call(
  'HSET', KEYS[1], 'available', ARGV[3], 'epoch', ARGV[1], 'load', ARGV[2], 'until', ARGV[4], 'run', run
)
redis.call('EXPIREAT', KEYS[1], ARGV[4])
return 'closed'
