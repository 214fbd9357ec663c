-- Writes ARGV[2] as the data of a session; only at the version ARGV[3] and as it was last written at ARGV[4], where those
-- are given. Answers 'gone', 'absent', 'conflict' and the version, or 'live' and the session.
local found = state()
if found ~= 'live' then
  return {found}
end
local version, written = unpack(redis.call('HMGET', KEYS[1], 'version', 'written'))
if ARGV[3] ~= '' and ARGV[3] ~= version or ARGV[4] ~= '' and ARGV[4] ~= written then
  return {'conflict', version}
end
local at = moment()
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HSET', KEYS[1], 'data', ARGV[2], 'written', at)
changed(at, redis.call('HGET', KEYS[1], 'ttl'))
return {'live', record()}
