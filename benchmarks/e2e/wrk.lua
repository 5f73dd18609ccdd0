-- Arguments: "same" or "varying", the key, and how many bytes the body has.
-- Varying requests are spelt anew each time; "#" in the key is a number then that
-- is another one in each.
local spelt = 0

function init(args)
  local key, size = args[2], tonumber(args[3])
  for _, name in ipairs({"Accept", "Accept-Encoding", "User-Agent", "X-Request-Id", "Traceparent"}) do
    wrk.headers[name] = "some value"
  end
  wrk.headers["X-ApiKey"] = key
  if size > 0 then
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    wrk.body = '{"name":"' .. string.rep("x", size - 11) .. '"}'
  end
  if args[1] == "varying" then
    request = function()
      spelt = spelt + 1
      wrk.headers["X-ApiKey"] = string.gsub(key, "#", spelt)
      return wrk.format()
    end
  end
end
