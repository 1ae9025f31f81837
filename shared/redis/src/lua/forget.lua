-- Removes a batch that does not exist any more, and leaves a note that keeps late snapshots from bringing it back.
-- KEYS: the batch's hash, its space's active set, the note
-- ARGV: batch, seconds to keep the note

redis.call('HGET', KEYS[1], 'version') -- an error where the key is somebody else's
redis.call('SET', KEYS[3], '1', 'EX', ARGV[2])
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
