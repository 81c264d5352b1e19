-- Decides a batch of requests against token buckets: each request all or nothing, in the order of coming.
--
-- A bucket is one integer, the instant at which it will be full again (GCRA's theoretical arrival time): sixteen digits
-- of whole microseconds since 1970, then the numerator of the rest over the policy's denominator. No key: full.
-- Nothing is multiplied or divided here, so no number passes 2^53 and nothing is ever rounded.
--
-- KEYS     buckets, strings, all of one hash tag, none twice
-- ARGV[1]  MessagePack {shapes, wishes}, both flat
--   shapes  six each: cost µs, rest of it; capacity µs, rest of it; denominator of the rests; 1 if it only watches
--   wishes  mode (1 take, 2 peek, 3 refund), number of checks, then four each: place in KEYS, first place of its shape,
--           and for a refund the instant to which the taking moved the bucket, µs and rest (else 0, 0)
--
-- OUTCOMES MessagePack, flat: now in µs, then two a check: ahead (µs until the bucket is full, after this request),
-- rest of it
--   fits      ahead is 0 or more: this policy lets the request pass
--   violated  -1 - ahead: it does not; if it is more than a watcher, nothing was taken from any bucket of the request
local plan = cmsgpack.unpack(ARGV[1])
local shapes, wishes = plan[1], plan[2]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local whole, rest, touched = {}, {}, {}
for first = 1, #KEYS, 1000 do
  local stored = redis.call('MGET', unpack(KEYS, first, math.min(first + 999, #KEYS)))
  for place = 1, #stored do
    -- What cannot be read, or lies in the past, is a full bucket; it is written over at the next taking.
    local tat = stored[place] and tonumber(string.sub(stored[place], 1, 16))
    local ahead = tat and tat >= now and tat - now or 0
    whole[first + place - 1] = ahead
    rest[first + place - 1] = tat and tat >= now and tonumber(string.sub(stored[place], 17)) or 0
  end
end

local out, size, at = { now }, 1, 1
local w, r, fits = {}, {}, {}
while wishes[at] do
  local mode, checks, passes = wishes[at], wishes[at + 1], true
  for n = 1, checks do
    local here = at + n * 4 - 2
    local key, s = wishes[here], wishes[here + 1]
    local cap, cap_rest, base = shapes[s + 2], shapes[s + 3], shapes[s + 4]
    local a, b = whole[key], rest[key]
    -- A bucket owes at most its capacity, whatever a changed policy or a clock that was set back left behind; and it is
    -- written so, or it would owe the same again at the next request.
    if b >= base then b = base - 1 end
    if a > cap or (a == cap and b > cap_rest) then a, b, touched[key] = cap, cap_rest, mode ~= 2 or touched[key] end
    w[n], r[n] = a + shapes[s], b + shapes[s + 1]
    if r[n] >= base then w[n], r[n] = w[n] + 1, r[n] - base end
    fits[n] = w[n] < cap or (w[n] == cap and r[n] <= cap_rest)
    if mode == 3 then
      -- What of the taking's own time has not passed comes back; the rest has been refilled already.
      local back, back_rest = wishes[here + 2] - now, wishes[here + 3]
      if back < 0 then back, back_rest = 0, 0 end
      if back > shapes[s] or (back == shapes[s] and back_rest > shapes[s + 1]) then
        back, back_rest = shapes[s], shapes[s + 1]
      end
      w[n], r[n], fits[n] = a - back, b - back_rest, true
      if r[n] < 0 then w[n], r[n] = w[n] - 1, r[n] + base end
      if w[n] < 0 then w[n], r[n] = 0, 0 end
    end
    if not fits[n] and shapes[s + 5] == 0 then passes = false end
    whole[key], rest[key] = a, b
  end
  for n = 1, checks do
    local key = wishes[at + n * 4 - 2]
    if mode ~= 2 and passes and fits[n] then
      whole[key], rest[key], touched[key] = w[n], r[n], true
    end
    out[size + 1] = fits[n] and whole[key] or -1 - whole[key]
    out[size + 2] = rest[key]
    size = size + 2
  end
  at = at + 2 + checks * 4
end

for key in pairs(touched) do
  local tat = now + whole[key]
  local value = rest[key] == 0 and tat or string.format('%.0f%.0f', tat, rest[key])
  redis.call('SET', KEYS[key], value, 'PXAT', math.ceil(tat / 1000) + 1)
end
return cmsgpack.pack(out)
