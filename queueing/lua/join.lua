-- Gives users their one place each in a sale's waiting room, first come, first served; asking again changes nothing.
--
-- KEYS[1] room, hash          KEYS[1 + n] bucket of the n-th user, hash of digest → position
-- ARGV[1] seen: the caller has been given every position below it, one time or another (0: none)
-- ARGV[2] retention after closing, seconds
-- ARGV[2 + n] digest of the n-th user, 8 bytes
--
-- OUTCOMES, flat: name, position of each user in order
--   again         the user has this place already
--   first         the place was given just now
--   over          the window has closed
--   not_loaded    no room here, or one that this server process has not been given: it restarted or is a promoted
--                 replica, so it may have forgotten places; the keeper loads it anew above the durable mark
--   behind        the room has gone back in time under a running server; it is shut until it is loaded anew
--   mark_reached  every position that is durably leased has been given; the keeper leases more
local outcomes, newcomers = {}, {}
for n = 1, #ARGV - 2 do
  local place = redis.call('HGET', KEYS[n + 1], ARGV[n + 2])
  if place then
    outcomes[n] = {'again', tonumber(place)}
  else
    newcomers[#newcomers + 1] = n
  end
end

local function flat()
  local answer = {}
  for n = 1, #outcomes do
    answer[2 * n - 1], answer[2 * n] = outcomes[n][1], outcomes[n][2]
  end
  return answer
end
local function all_hear(name, position)
  for _, n in ipairs(newcomers) do
    outcomes[n] = {name, position}
  end
  return flat()
end
if #newcomers == 0 then
  return flat()
end

local room = redis.call('HMGET', KEYS[1], 'run', 'next', 'mark', 'closes_ms')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if not room[1] or room[1] ~= run then
  return all_hear('not_loaded', 0)
end
local position, mark, closes_ms = tonumber(room[2]), tonumber(room[3]), tonumber(room[4])
local time = redis.call('TIME')
if time[1] * 1000 + math.floor(time[2] / 1000) >= closes_ms then
  return all_hear('over', 0)
end
if position < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'run', '')
  return all_hear('behind', position)
end

local given = {}
for _, n in ipairs(newcomers) do
  local user = KEYS[n + 1] .. ARGV[n + 2]
  if given[user] then
    outcomes[n] = {'again', given[user]}
  elseif position >= mark then
    outcomes[n] = {'mark_reached', position}
  else
    given[user], outcomes[n], position = position, {'first', position}, position + 1
  end
end
-- The counter first: what it has passed is never given again, whatever becomes of the places.
redis.call('HSET', KEYS[1], 'next', position)
for _, n in ipairs(newcomers) do
  if outcomes[n][1] == 'first' then
    redis.call('HSET', KEYS[n + 1], ARGV[n + 2], outcomes[n][2])
    -- At each first join, so that a window moved later takes its places along.
    redis.call('EXPIREAT', KEYS[n + 1], math.ceil(closes_ms / 1000) + tonumber(ARGV[2]))
  end
end
return flat()
