-- Gives a user the one place in a sale's waiting room, first come, first served; asking again changes nothing.
--
-- KEYS[1] room, hash          KEYS[2] bucket of the user, hash of digest → position
-- ARGV[1] digest of the user, 8 bytes
-- ARGV[2] seen: the caller has been given every position below it, one time or another (0: none)
-- ARGV[3] retention after closing, seconds
--
-- OUTCOMES {name, position}
--   again         the user has this place already
--   first         the place was given just now
--   over          the window has closed
--   not_loaded    no room here, or one that this server process has not been given: it restarted or is a promoted
--                 replica, so it may have forgotten places; the keeper loads it anew above the durable mark
--   behind        the room has gone back in time under a running server; it is shut until it is loaded anew
--   mark_reached  every position that is durably leased has been given; the keeper leases more
local place = redis.call('HGET', KEYS[2], ARGV[1])
if place then
  return {'again', tonumber(place)}
end

local room = redis.call('HMGET', KEYS[1], 'run', 'next', 'mark', 'closes_ms')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if not room[1] or room[1] ~= run then
  return {'not_loaded', 0}
end

local position, mark, closes_ms = tonumber(room[2]), tonumber(room[3]), tonumber(room[4])
local time = redis.call('TIME')
if time[1] * 1000 + math.floor(time[2] / 1000) >= closes_ms then
  return {'over', 0}
end
if position < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'run', '')
  return {'behind', position}
end
if position >= mark then
  return {'mark_reached', position}
end

redis.call('HSET', KEYS[2], ARGV[1], position)
redis.call('HSET', KEYS[1], 'next', position + 1)
-- At each first join, so that a window moved later takes its places along.
redis.call('EXPIREAT', KEYS[2], math.ceil(closes_ms / 1000) + tonumber(ARGV[3]))
return {'first', position}
