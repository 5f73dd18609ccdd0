-- ARGV: the identity of the store to begin, or '' for none; the channel.
local found = redis.call('HGET', keys, 'store')
local begun = redis.call('ZSCORE', ids, '')
if not (found and begun) then
  if redis.call('EXISTS', keys, ids) > 0 then
    return 'damaged'
  elseif ARGV[1] == '' then
    return 'none'
  end
end
-- Nobody heeds this: it shows at once whether publishing is allowed.
redis.call('PUBLISH', ARGV[2], '')
if found then
  return found
end
redis.call('HSET', keys, 'store', ARGV[1])
-- It sorts before all IDs, and shows that none of them were lost.
redis.call('ZADD', ids, 0, '')
return ARGV[1]
