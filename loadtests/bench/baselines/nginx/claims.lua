-- The way to Redis: a pooled connection, EVALSHA, the script loaded again where the server has forgotten it.
-- OUTCOMES of take: those of claim.lua, or nil where Redis does not answer.
local claims = {}

local POOL = 64 -- connections kept open to Redis
local IDLE_MS = 60000
local WAIT_MS = 2000
local PER_USER_LIMIT = 1
local BURST = 10 -- with five a second, the gateway's own default
local source, sha

local folder = string.match(debug.getinfo(1, "S").source, "^@(.*/)")

local function script()
  if not source then
    local file = assert(io.open(folder .. "claim.lua"))
    source = file:read("*a")
    file:close()
  end
  return source
end

local function run(connection, ...)
  if sha then
    local answer, why = connection:evalsha(sha, ...)
    if answer or not string.find(why or "", "NOSCRIPT", 1, true) then
      return answer
    end
  end
  sha = connection:script("load", script())
  return sha and connection:evalsha(sha, ...)
end

function claims.take(redis, port, admitted, asked, key, id, limited)
  local connection = redis:new()
  connection:set_timeout(WAIT_MS)
  if not connection:connect("127.0.0.1", port, { pool_size = POOL, backlog = 4096 }) then
    return nil
  end
  local prefix = "bench:{" .. admitted.sale .. "}:"
  local answer = run(connection, 4, prefix .. "stock", prefix .. "buyers", prefix .. "answers",
    prefix .. "bucket:" .. admitted.user, admitted.user, asked.sku, key, asked.quantity, PER_USER_LIMIT, id,
    limited, BURST)
  if not answer then
    connection:close()
    return nil
  end
  connection:set_keepalive(IDLE_MS, POOL)
  return answer[1], answer[2]
end

return claims
