-- For wrk: POST /systemevent/read, a different event in each request (the formula is that of bench/ids.py). One thread.
local events, stride, head

function init(args)
  events, stride = tonumber(args[2]), tonumber(args[3])
  head = "POST /systemevent/read HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" ..
    "Authorization: Bearer " .. args[1] .. "\r\nContent-Length: "
end

local n = 0

function request()
  local body = string.format('{"id":%d}', n * stride % events + 1)
  n = n + 1
  return head .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"us":%d,"p50_us":%d,"p99_us":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect, e.read, e.write, e.timeout))
end
