-- Writes a snapshot unless a later version is there, keeps the set of active batches, and tells watchers what changed.
-- KEYS: the batch's hash, its space's active set, the note that the batch does not exist any more
-- ARGV: version, batch, created_at in ms, seconds to keep it (0: until it is final), channel, event, field, value, …

-- Decimal integers without leading zeros, compared as text: exact for any size, which Lua's numbers are not.
local function later(a, b)
  return #a > #b or (#a == #b and a > b)
end

if redis.call('EXISTS', KEYS[3]) == 1 then
  return 0
end

local stored = redis.call('HGET', KEYS[1], 'version')
if stored and string.match(stored, '^%d+$') and later(stored, ARGV[1]) then
  return 0
end

local flat = redis.call('HGETALL', KEYS[1])
local old = {}
for i = 1, #flat, 2 do
  old[flat[i]] = flat[i + 1]
end
local changed = #flat ~= #ARGV - 6
for i = 7, #ARGV, 2 do
  if ARGV[i] ~= 'updated_at' and old[ARGV[i]] ~= ARGV[i + 1] then
    changed = true
  end
end

redis.call('DEL', KEYS[1]) -- a field that is gone must not stay
redis.call('HSET', KEYS[1], unpack(ARGV, 7))
if ARGV[4] == '0' then
  redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
else
  redis.call('ZREM', KEYS[2], ARGV[2])
  redis.call('EXPIRE', KEYS[1], ARGV[4])
end
if changed then
  redis.call('PUBLISH', ARGV[5], ARGV[6])
end
return 1
