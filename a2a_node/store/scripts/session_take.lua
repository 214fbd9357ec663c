-- Takes from KEYS[1] at most ARGV[2] sessions that Postgres has not had as they are for ARGV[1] microseconds. Nobody else
-- takes them for ARGV[3] microseconds, unless they are settled before. Answers their ids.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local taken = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(taken) do
  redis.call('ZADD', KEYS[1], 'XX', now + ARGV[3], id)
end
return taken
