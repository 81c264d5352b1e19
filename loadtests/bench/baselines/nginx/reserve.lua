-- POST /v1/sales/{sale}/reservations: token, body, one script in Redis, answer. Nothing is durable.
-- OUTCOMES: 201 granted or replayed, 400, 401, 403, 409 limit_reached or sold_out, 429, 503.
local cjson = require "cjson.safe"
local redis = require "nginx.redis"
local tokens = require "tokens"
local claims = require "claims"
local answers = require "answers"

local format, random, match = string.format, math.random, string.match
local limited = tonumber(os.getenv("BENCH_LIMITED") or "0")
local port = tonumber(os.getenv("BENCH_REDIS_PORT"))
local HOLD_SECONDS = 600
local shop = {}

local function new_id()
  return format("%08x-%04x-4%03x-%04x-%06x%06x", random(0, 0xffffffff), random(0, 0xffff), random(0, 0xfff),
    random(0x8000, 0xbfff), random(0, 0xffffff), random(0, 0xffffff))
end

local function wish()
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  local asked = body and cjson.decode(body)
  if type(asked) ~= "table" or type(asked.sku) ~= "string" or type(asked.quantity) ~= "number"
    or asked.quantity < 1 or asked.quantity % 1 ~= 0 then
    return nil
  end
  return asked
end

local REFUSALS = { limited = { 429, "rate_limited" }, limit = { 409, "limit_reached" }, sold_out = { 409, "sold_out" } }

function shop.reserve()
  local headers = ngx.req.get_headers()
  local token = match(headers["authorization"] or "", "^Bearer (%S+)$")
  local now = ngx.time()
  local admitted = token and tokens.verify(token, now)
  if not admitted then
    return answers.refuse(401, "admission_invalid")
  end
  if admitted.sale ~= ngx.var.sale then
    return answers.refuse(403, "admission_foreign")
  end
  local key = headers["idempotency-key"]
  if not key then
    return answers.refuse(400, "key_missing")
  end
  local asked = wish()
  if not asked then
    return answers.refuse(400, "invalid_request")
  end
  local outcome, detail = claims.take(redis, port, admitted, asked, key, new_id(), limited)
  if outcome == "granted" or outcome == "replayed" then
    local held, ends = ngx.utctime(), os.date("!%Y-%m-%dT%H:%M:%SZ", now + HOLD_SECONDS)
    return answers.give(201, format('{"reservation_id":"%s","sale_id":"%s","sku":"%s","quantity":%d,"amount_minor":%d,'
      .. '"currency":"CNY","state":"held","end_reason":null,"held_at":"%s","expires_at":"%s","ended_at":null,'
      .. '"regrant_of":null,"regranted_as":null}', detail, admitted.sale, asked.sku, asked.quantity,
      asked.quantity * 19900, held, ends))
  end
  local refusal = REFUSALS[outcome]
  if refusal then
    return answers.refuse(refusal[1], refusal[2])
  end
  return answers.refuse(503, "unavailable")
end

return shop
