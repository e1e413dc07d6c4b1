-- GET of one path. Arguments: the file of tokens, the path.
local common = dofile("bench/wrk/common.lua")
local path, token

function init(args)
  token = common.tokens(args[1])
  path = args[2]
end

function request()
  return "GET " .. path .. " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " .. token() .. "\r\n\r\n"
end

done = common.done
