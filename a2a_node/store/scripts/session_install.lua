-- Puts the copy of Postgres here: where there is none, or over the one that was last accessed at ARGV[2].
-- ARGV[3] is for how many milliseconds it is remembered when it has expired or was deleted. The other arguments are its
-- agent, user, version, ttl, moments of creation and of the last access, and its data.
local here = redis.call('HGET', KEYS[1], 'accessed')
if here and here ~= ARGV[2] then
  return 0
end
local agent, user, version, ttl, created, accessed, data = unpack(ARGV, 4)
local left = math.floor((accessed - now()) / 1000) + ttl
if left <= 0 then
  ttl, left, data = 0, ARGV[3], '{}'
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'agent', agent, 'user', user, 'version', version, 'ttl', ttl,
  'created', created, 'accessed', accessed, 'written', accessed, 'data', data)
redis.call('PEXPIRE', KEYS[1], left)
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
