-- POST /systemevent/read, a different event in each request (the formula is that of bench/ids.py).
-- Arguments: the file of tokens, events, stride.
local common = dofile("bench/wrk/common.lua")
local events, stride, token
local n = 0

function init(args)
  token = common.tokens(args[1])
  events, stride = tonumber(args[2]), tonumber(args[3])
end

function request()
  local body = string.format('{"id":%d}', n * stride % events + 1)
  n = n + 1
  return "POST /systemevent/read HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" ..
    "Authorization: Bearer " .. token() .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

done = common.done
