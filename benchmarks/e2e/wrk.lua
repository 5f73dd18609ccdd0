-- Arguments: "same" or "varying", the body, and the keys, which requests have in turn.
-- Varying requests are spelt anew each time; "#" in a key is then what no other request
-- has, in this run or another.
local requests, turn, spelt, began = {}, 0, 0, os.time()

function init(args)
  for _, name in ipairs({"Accept", "Accept-Encoding", "User-Agent", "X-Request-Id", "Traceparent"}) do
    wrk.headers[name] = "some value"
  end
  if args[2] ~= "" then
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    wrk.body = args[2]
  end
  local keys = {unpack(args, 3)}
  for i, key in ipairs(keys) do
    wrk.headers["X-ApiKey"] = key
    requests[i] = wrk.format()
  end
  request = function()
    turn = turn % #keys + 1
    return requests[turn]
  end
  if args[1] == "varying" then
    request = function()
      turn, spelt = turn % #keys + 1, spelt + 1
      wrk.headers["X-ApiKey"] = string.gsub(keys[turn], "#", began .. "-" .. spelt)
      return wrk.format()
    end
  end
end
