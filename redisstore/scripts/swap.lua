-- ARGV: the store's identity, the marker that should be there after a '+', or ''
-- for none, the marker to set, a nonce. The nonce is stored before the marker.
local wrong = trouble(ARGV[1])
if wrong then
  return wrong
end
local stored = redis.call('HGET', keys, 'marker')
if stored and stored:sub(1, 8) == ARGV[4] then
  return 'ok'
elseif (stored and '+' .. stored:sub(9) or '') ~= ARGV[2] then
  return 'conflict'
end
redis.call('HSET', keys, 'marker', ARGV[4] .. ARGV[3])
return 'ok'
