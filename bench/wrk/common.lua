-- For the scripts beside it, which wrk runs on one thread: the tokens, and the line that bench/load_rest.py reads.
local common = {}

-- A function that returns the tokens of a file in turn.
function common.tokens(path)
  local tokens, n = {}, 0
  for token in io.lines(path) do tokens[#tokens + 1] = token end
  return function()
    n = n % #tokens + 1
    return tokens[n]
  end
end

function common.done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"us":%d,"p50_us":%d,"p99_us":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect, e.read, e.write, e.timeout))
end

return common
