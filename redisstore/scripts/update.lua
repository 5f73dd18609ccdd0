-- ARGV: the store's identity, the channel, the ID, the record of the next
-- version, the version that it replaces.
local id, record = ARGV[3], ARGV[4]
local wrong = trouble(ARGV[1])
if wrong then
  return wrong
end
local stored = get(id)
if not stored then
  return 'not found'
elseif nonce(stored) == nonce(record) then
  return 'ok'
elseif version(stored) ~= ARGV[5] then
  return 'conflict'
elseif taken(record, stored) then
  return 'in use'
end
redis.call('PUBLISH', ARGV[2], id)
-- Redis refuses to add anything while its memory is full, unless the script has
-- written already. So this goes first: one must be able to revoke a key then.
remove(id, stored)
put(id, with_times(record, created(stored), used(stored)))
return 'ok'
