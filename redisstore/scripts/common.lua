-- Every script begins with this one. In its order, so that nothing is half done:
-- it reads, and touches both keys at that, so that one of a wrong type shows; it
-- publishes, which access control may forbid; then it writes.

local keys, ids = KEYS[1], KEYS[2]

-- trouble returns what to answer if this is not the store it should be.
local function trouble(identity)
  local found = redis.call('HGET', keys, 'store')
  local begun = redis.call('ZSCORE', ids, '')
  if not found or not begun then
    return 'lost'
  elseif found ~= identity then
    return 'another'
  end
end

-- A record, whose bytes are counted from 1 here:
--
--    1      its format
--    2      1 if the key is revoked, else 0
--    3-10   Version
--   11-18   CreatedAt
--   19-26   LastUsedAt
--   27-34   the nonce of the call that wrote it
--   35      how many digests follow
--   36-     the digests, of 32 bytes each
--
-- It is stored as the field k:ID, and a copy as d:DIGEST for each of its digests.

local function revoked(record) return record:byte(2) ~= 0 end
local function version(record) return record:sub(3, 10) end
local function created(record) return record:sub(11, 18) end
local function used(record) return record:sub(19, 26) end
local function nonce(record) return record:sub(27, 34) end

local function with_times(record, created_at, used_at)
  return record:sub(1, 10) .. created_at .. used_at .. record:sub(27)
end

local function digests(record)
  local list = {}
  for i = 1, record:byte(35) do
    list[i] = record:sub(4 + 32 * i, 35 + 32 * i)
  end
  return list
end

-- later compares times by their bytes. Lua would compare by the locale, and
-- numbers of Lua do not hold 64 bits.
local function later(a, b)
  for i = 1, 8 do
    if a:byte(i) ~= b:byte(i) then
      return a:byte(i) > b:byte(i)
    end
  end
  return false
end

local function get(id) return redis.call('HGET', keys, 'k:' .. id) end

local function holder(digest) return redis.call('HGET', keys, 'd:' .. digest) end

-- taken tells whether a digest of record is in it twice or in use by a key other
-- than the one that is stored so.
local function taken(record, stored)
  local seen = {}
  for _, digest in ipairs(digests(record)) do
    local other = holder(digest)
    if seen[digest] or other and other ~= stored then
      return true
    end
    seen[digest] = true
  end
  return false
end

local function put(id, record)
  local fields = {'k:' .. id, record}
  for _, digest in ipairs(digests(record)) do
    fields[#fields + 1] = 'd:' .. digest
    fields[#fields + 1] = record
  end
  redis.call('HSET', keys, unpack(fields))
end

local function remove(id, record)
  local fields = {'k:' .. id}
  for _, digest in ipairs(digests(record)) do
    fields[#fields + 1] = 'd:' .. digest
  end
  redis.call('HDEL', keys, unpack(fields))
end
