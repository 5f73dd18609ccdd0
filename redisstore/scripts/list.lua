-- ARGV: the store's identity, where to begin as ZREVRANGEBYLEX wants it, how many
-- at most. The answer is a list of records.
local wrong = trouble(ARGV[1])
if wrong then
  return wrong
end
local page = redis.call('ZREVRANGEBYLEX', ids, ARGV[2], '(', 'LIMIT', 0, ARGV[3])
if #page == 0 then
  return page
end
for i, id in ipairs(page) do
  page[i] = 'k:' .. id
end
return redis.call('HMGET', keys, unpack(page))
