-- Deletes a session, and remembers that it was for at least ARGV[2] milliseconds, and for as long as Postgres could take it
-- for alive. Answers 'gone', 'absent', or 'live' and what is left of the session.
local found = state()
if found ~= 'live' then
  return {found}
end
local at = moment()
local life = math.max(tonumber(redis.call('HGET', KEYS[1], 'ttl')), tonumber(ARGV[2]))
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HSET', KEYS[1], 'data', '{}', 'ttl', 0, 'written', at)
changed(at, string.format('%.0f', life))
return {'live', record()}
