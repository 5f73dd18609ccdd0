-- ARGV: the store's identity, the channel, the ID.
local id = ARGV[3]
local wrong = trouble(ARGV[1])
if wrong then
  return wrong
end
local stored = get(id)
if stored then
  redis.call('PUBLISH', ARGV[2], id)
  remove(id, stored)
  redis.call('ZREM', ids, id)
end
return 'ok'
