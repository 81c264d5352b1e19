-- Tells the keeper what this server holds of a room, and whether the room was given to this server process.
--
-- KEYS[1] room, hash
--
-- OUTCOMES {name, epoch, next, mark, frontier, rate, opens_ms, closes_ms, paused}
--   absent  no room here; the rest is missing
--   lapsed  the room belongs to a server process before this one: what it says may be old
--   held    the room is this server process's own
local room = redis.call('HMGET', KEYS[1], 'epoch', 'next', 'mark', 'frontier', 'rate', 'opens_ms', 'closes_ms',
  'paused', 'run')
if not room[1] then
  return {'absent'}
end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local answer = {room[9] == run and 'held' or 'lapsed'}
for place = 1, 8 do
  answer[place + 1] = tonumber(room[place])
end
return answer
