-- Moves the frontier by what the rate and the pace allow since the last step: at most one second's worth (or one
-- position, where a second is not enough for one), never back.
--
-- However many keepers tick, and however often, the pace is the rate: what counts is the time since the last step.
--
-- KEYS[1] room, hash
-- ARGV[1] fence: the number of the leader's term   ARGV[2] pace, 0 to 1: the part of the rate that is let in now
--
-- OUTCOMES {name, frontier, issued}
--   advanced    the frontier stands where the answer says (perhaps where it was: too little time has passed)
--   stands      before opening, after closing, paused or at pace 0
--   fenced      a later leader has taken over; nothing was written
--   not_loaded  no room here, or not one of this server process
local room = redis.call('HMGET', KEYS[1], 'run', 'fence', 'frontier', 'next', 'rate', 'opens_ms', 'closes_ms',
  'paused', 'tick_us', 'gaps')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if not room[1] or room[1] ~= run then
  return {'not_loaded', 0, 0}
end
local fence, frontier, issued, rate = tonumber(ARGV[1]), tonumber(room[3]), tonumber(room[4]), tonumber(room[5])
local paced = rate * tonumber(ARGV[2])
if fence < tonumber(room[2]) then
  return {'fenced', frontier, issued}
end

local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local opens_us, closes_us = room[6] * 1000, room[7] * 1000
if now_us < opens_us or now_us >= closes_us or room[8] == '1' or paced <= 0 then
  redis.call('HSET', KEYS[1], 'fence', fence, 'pace', ARGV[2], 'tick_us', string.format('%.0f', now_us))
  return {'stands', frontier, issued}
end

local elapsed_us = math.min(math.max(1000000, 1000000 / paced), now_us - math.max(tonumber(room[9]), opens_us))
local steps = math.max(0, math.floor(elapsed_us * paced / 1000000))
local target = frontier + steps
-- Positions in a gap were lost with a Redis before they could be given: nobody waits there, so it costs no time.
for from, to in string.gmatch(room[10], '(%d+):(%d+)') do
  from, to = tonumber(from), tonumber(to)
  if frontier < to and target > from then
    target = to + target - math.max(frontier, from)
  end
end
-- Not further ahead of the last ticket than one second's worth, or a quiet hour would let a crowd in at once.
target = math.max(frontier, math.min(target, issued + rate))

-- The part of a step that is left over stays in the clock, so that small ticks lose nothing.
local tick_us = now_us - (elapsed_us - steps * 1000000 / paced)
redis.call('HSET', KEYS[1], 'fence', fence, 'pace', ARGV[2], 'frontier', target,
  'tick_us', string.format('%.0f', tick_us))
return {'advanced', target, issued}
