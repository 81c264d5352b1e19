-- Decides a batch of requests against token buckets: each request all or nothing, in the order of coming.
--
-- A bucket is one integer, the instant at which it will be full again (GCRA's theoretical arrival time): sixteen digits
-- of whole microseconds since 1970, then the numerator of the rest over the policy's denominator. No key: full.
-- Nothing is multiplied or divided here, so no number passes 2^53 and nothing is ever rounded.
--
-- KEYS     buckets, strings, all of one hash tag, none twice
-- ARGV[1]  MessagePack {runs, places, receipts}, all flat
--   runs      requests that ask alike, a run each, in the order of coming: mode (1 take, 2 peek, 3 refund), number of
--             requests, number of checks of each, then six a check: cost µs, rest of it; capacity µs, rest of it;
--             denominator of the rests; 1 if it only watches
--   places    the place in KEYS of every check of every request; empty: each check has the next key for itself
--   receipts  a pair for every check of every refund: the instant to which the taking moved the bucket, µs and rest
--
-- OUTCOMES MessagePack, flat: now in µs, then two a check: ahead (µs until the bucket is full, after this request),
-- rest of it
--   fits      ahead is 0 or more: this policy lets the request pass
--   violated  -1 - ahead: it does not; if it is more than a watcher, nothing was taken from any bucket of the request
local call, sub, format = redis.call, string.sub, string.format
local runs, places, receipts = unpack(cmsgpack.unpack(ARGV[1]))
local time = call('TIME')
local now = time[1] * 1000000 + time[2]

local whole, rest, touched = {}, {}, {}
for first = 1, #KEYS, 1000 do
  local stored = call('MGET', unpack(KEYS, first, math.min(first + 999, #KEYS)))
  for n = 1, #stored do
    -- What cannot be read, or lies in the past, is a full bucket; it is written over at the next taking.
    local key, tat = first + n - 1, stored[n] and tonumber(sub(stored[n], 1, 16))
    whole[key], rest[key], touched[key] = 0, 0, false
    if tat and tat >= now then whole[key], rest[key] = tat - now, tonumber(sub(stored[n], 17)) or 0 end
  end
end

local out, w, r, fits, at, check, receipt = { now }, {}, {}, {}, 1, 0, 1
while runs[at] do
  local mode, checks = runs[at], runs[at + 2]
  for _ = 1, runs[at + 1] do
    local passes = mode ~= 2
    for n = 1, checks do
      local s, key = at + n * 6 - 3, places[check + n] or check + n
      local cost, cost_rest, cap, cap_rest, base = runs[s], runs[s + 1], runs[s + 2], runs[s + 3], runs[s + 4]
      local a, b, fit = whole[key], rest[key], true
      -- A bucket owes at most its capacity, whatever a changed policy or a clock that was set back left behind; and it
      -- is written so, or it would owe the same again at the next request.
      if b >= base then b = base - 1 end
      if a > cap or (a == cap and b > cap_rest) then a, b, touched[key] = cap, cap_rest, mode ~= 2 or touched[key] end
      whole[key], rest[key] = a, b
      if mode == 3 then
        -- What of the taking's own time has not passed comes back; the rest has been refilled already.
        local back, back_rest = receipts[receipt] - now, receipts[receipt + 1]
        receipt = receipt + 2
        if back < 0 then back, back_rest = 0, 0 end
        if back > cost or (back == cost and back_rest > cost_rest) then back, back_rest = cost, cost_rest end
        a, b = a - back, b - back_rest
        if b < 0 then a, b = a - 1, b + base end
        if a < 0 then a, b = 0, 0 end
      else
        a, b = a + cost, b + cost_rest
        if b >= base then a, b = a + 1, b - base end
        fit = a < cap or (a == cap and b <= cap_rest)
        passes = passes and (fit or runs[s + 5] == 1)
      end
      w[n], r[n], fits[n] = a, b, fit
    end
    for n = 1, checks do
      check = check + 1
      local key = places[check] or check
      if passes and fits[n] then whole[key], rest[key], touched[key] = w[n], r[n], true end
      out[2 * check], out[2 * check + 1] = fits[n] and whole[key] or -1 - whole[key], rest[key]
    end
  end
  at = at + 3 + checks * 6
end

local ahead, more, value, expiry
for key = 1, #KEYS do
  -- Buckets that were full are written alike: a number becomes a text once, for that costs as much as deciding does.
  if touched[key] and (whole[key] ~= ahead or rest[key] ~= more) then
    ahead, more = whole[key], rest[key]
    value = format('%d', now + ahead) .. (more > 0 and format('%d', more) or '')
    expiry = format('%d', math.ceil((now + ahead) / 1000) + 1)
  end
  if touched[key] then call('SET', KEYS[key], value, 'PXAT', expiry) end
end
return cmsgpack.pack(out)
