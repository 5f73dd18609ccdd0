-- ARGV: the store's identity, the channel, the ID, the record.
local id, record = ARGV[3], ARGV[4]
local wrong = trouble(ARGV[1])
if wrong then
  return wrong
end
local stored = get(id)
if stored then
  return nonce(stored) == nonce(record) and 'ok' or 'exists'
elseif taken(record) then
  return 'in use'
end
redis.call('PUBLISH', ARGV[2], id)
put(id, record)
redis.call('ZADD', ids, 0, id)
return 'ok'
