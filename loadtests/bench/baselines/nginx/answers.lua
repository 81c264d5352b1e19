-- Answers in JSON, with their length said: a chunked answer costs both sides more.
-- OUTCOMES: the answer is sent.
local answers = {}

function answers.give(status, body)
  ngx.status = status
  ngx.header["Content-Length"] = #body
  if status == 429 or status == 503 then
    ngx.header["Retry-After"] = "1"
  end
  ngx.print(body)
end

function answers.refuse(status, code)
  ngx.header["Content-Type"] = "application/problem+json"
  answers.give(status, string.format('{"type":"about:blank","title":"%s","status":%d,"code":"%s"}', code, status, code))
end

return answers
