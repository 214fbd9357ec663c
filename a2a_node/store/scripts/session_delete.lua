-- Deletes a session, and remembers for ARGV[2] milliseconds that it was.
-- Answers 'gone', 'absent', or 'live' and what is left of the session.
local found = state()
if found ~= 'live' then
  return {found}
end
local at = moment()
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HSET', KEYS[1], 'data', '{}', 'ttl', 0, 'written', at)
changed(at, ARGV[2])
return {'live', record()}
