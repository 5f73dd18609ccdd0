-- KEYS: the log, a sorted set in which all scores are 0, so that the order is that
-- of bytes; the texts of bodies, a hash by ID. ARGV: how many bytes are kept, -1
-- for any number; the ID before which entries are too old; then for each entry, the
-- oldest first, its member and the texts of its bodies, which are empty for none.
--
-- A member begins with the 16 bytes of the entry's ID. The next 4 are what it
-- counts for, and byte 22 is odd if it has texts. The hash has the sum in 'size'.

local log, bodies = KEYS[1], KEYS[2]
local most, from = tonumber(ARGV[1]), ARGV[2]
-- How many entries one script removes, so that Redis, which does nothing else
-- meanwhile, goes on after a few milliseconds. Only a bound that was lowered, or a
-- log that nobody wrote to for long, leaves more to later ones.
local limit = 5000

local function id(member) return member:sub(1, 16) end
local function size(member) return struct.unpack('>I4', member, 17) end
local function has_texts(member) return member:byte(22) % 2 == 1 end

-- older compares IDs by their bytes. Lua would compare by the locale.
local function older(a, b)
  for i = 1, 16 do
    if a:byte(i) ~= b:byte(i) then
      return a:byte(i) < b:byte(i)
    end
  end
  return false
end

-- stored tells whether an entry is there: an earlier call may have succeeded
-- without its caller's knowing. No member has a byte of 255 behind the ID.
local function stored(of)
  return #redis.call('ZREVRANGEBYLEX', log, '(' .. of .. '\255', '[' .. of, 'LIMIT', 0, 1) > 0
end

local function each_part(list, call)
  for i = 1, #list, 1000 do
    call(unpack(list, i, math.min(i + 999, #list)))
  end
end

local total = tonumber(redis.call('HGET', bodies, 'size') or 0)
local entries = redis.call('ZCARD', log)
if (total > 0) ~= (entries > 0) then
  -- All entries have gone, or one of the two keys was lost: both begin anew.
  redis.call('UNLINK', log, bodies)
  total = 0
end

local new = {}
for i = 3, #ARGV, 2 do
  if not stored(id(ARGV[i])) then
    new[#new + 1] = i
    total = total + size(ARGV[i])
  end
end

-- The oldest go, be they in the log or about to be.
local function goes(member)
  return member and (most >= 0 and total > most or older(member, from))
end

local gone, gone_texts, first = {}, {}, 1
local page, at = {}, 1
while #gone < limit do
  if at > #page then
    page, at = redis.call('ZRANGE', log, #gone, #gone + 99), 1
  end
  local old, coming = page[at], ARGV[new[first] or 0]
  if old and not (coming and older(coming, old)) then
    if not goes(old) then
      break
    end
    gone[#gone + 1], at = old, at + 1
    if has_texts(old) then
      gone_texts[#gone_texts + 1] = id(old)
    end
    total = total - size(old)
  else
    if not goes(coming) then
      break
    end
    first = first + 1
    total = total - size(coming)
  end
end

-- Redis refuses to add anything while its memory is full, unless the script has
-- written already. So what goes is first: a log that has all it may have goes on.
each_part(gone, function(...) redis.call('ZREM', log, ...) end)
each_part(gone_texts, function(...) redis.call('HDEL', bodies, ...) end)
for i = first, #new do
  local member, texts = ARGV[new[i]], ARGV[new[i] + 1]
  redis.call('ZADD', log, 0, member)
  if texts ~= '' then
    redis.call('HSET', bodies, id(member), texts)
  end
end
if #gone > 0 or first <= #new then
  redis.call('HSET', bodies, 'size', string.format('%.0f', total))
end
return 'ok'
