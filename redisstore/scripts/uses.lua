-- ARGV: the store's identity, the channel, then for each use the ID, the time,
-- the digest to move from and the one to move to, which are empty for none.
local wrong = trouble(ARGV[1])
if wrong then
  return wrong
end

-- moved returns the record with one digest in place of another, if that is due.
local function moved(record, from, to)
  if to == '' or holder(to) then
    return record
  end
  for i, digest in ipairs(digests(record)) do
    if digest == from then
      return record:sub(1, 3 + 32 * i) .. to .. record:sub(36 + 32 * i)
    end
  end
  return record
end

for i = 3, #ARGV, 4 do
  local id, at, from, to = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local stored = get(id)
  if stored and not revoked(stored) then
    local record = stored
    if later(at, used(record)) then
      record = with_times(record, created(record), at)
    end
    local dated = record
    record = moved(record, from, to)
    if record ~= dated then
      redis.call('PUBLISH', ARGV[2], id)
      remove(id, stored)
    end
    if record ~= stored then
      put(id, record)
    end
  end
end
return 'ok'
