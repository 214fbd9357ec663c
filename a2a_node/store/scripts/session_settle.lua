-- Notes that Postgres has a session as it was last accessed at ARGV[2]. One that was accessed again waits for its next turn.
local here = redis.call('HGET', KEYS[1], 'accessed')
if not here or here == ARGV[2] then
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[2], 'XX', now(), ARGV[1])
end
