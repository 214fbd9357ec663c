-- Notes that Postgres has a session as it was last accessed at ARGV[2]. One that was accessed again waits for its next turn;
-- that one was deleted is remembered for ARGV[3] milliseconds more.
local here, ttl = unpack(redis.call('HMGET', KEYS[1], 'accessed', 'ttl'))
if not here or here == ARGV[2] then
  redis.call('ZREM', KEYS[2], ARGV[1])
  if ttl == '0' then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
  end
else
  redis.call('ZADD', KEYS[2], 'XX', now(), ARGV[1])
end
