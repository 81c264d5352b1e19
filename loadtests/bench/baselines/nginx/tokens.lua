-- Admissions `<kid>.<payload>.<signature>`, checked without I/O: HMAC-SHA-256 from the OpenSSL that nginx is linked with.
-- OUTCOMES of verify: the payload as a table, or nil and why (malformed, bad_signature, expired).
local ffi = require "ffi"
local base64 = require "ngx.base64"
local cjson = require "cjson.safe"

ffi.cdef [[
const void *EVP_sha256(void);
unsigned char *HMAC(const void *method, const void *key, int key_length, const unsigned char *text, size_t text_length,
                    unsigned char *out, unsigned int *out_length);
]]

local crypto = ffi.load("libcrypto.so.3")
local method = crypto.EVP_sha256()
local digest = ffi.new("unsigned char[32]")
local length = ffi.new("unsigned int[1]")
local secret = os.getenv("BENCH_SECRET")
local find, sub, byte, bxor, bor = string.find, string.sub, string.byte, bit.bxor, bit.bor

local tokens = {}

local function same(given, made)
  if #given ~= 32 then
    return false
  end
  local differs = 0
  for at = 1, 32 do
    differs = bor(differs, bxor(byte(given, at), made[at - 1]))
  end
  return differs == 0
end

function tokens.verify(token, now)
  local first = find(token, ".", 1, true)
  local second = first and find(token, ".", first + 1, true)
  if not second then
    return nil, "malformed"
  end
  local signed = "admission." .. sub(token, 1, second - 1)
  crypto.HMAC(method, secret, #secret, signed, #signed, digest, length)
  local given = base64.decode_base64url(sub(token, second + 1))
  if not given or not same(given, digest) then
    return nil, "bad_signature"
  end
  local payload = cjson.decode(base64.decode_base64url(sub(token, first + 1, second - 1)) or "")
  if not payload then
    return nil, "malformed"
  end
  if payload.exp <= now then
    return nil, "expired"
  end
  return payload
end

return tokens
