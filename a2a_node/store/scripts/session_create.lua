-- Makes a session: ARGV[2] is 1 when it is known that Postgres has no such session; ARGV[3] agent, ARGV[4] user,
-- ARGV[5] data, ARGV[6] ttl in milliseconds. Answers 'absent' when Postgres must be asked first, 'live' when there is one
-- already, or 'made' and the session.
local found = state()
if found == 'live' or found == 'absent' and ARGV[2] == '0' then
  return {found}
end
local at = moment()
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'agent', ARGV[3], 'user', ARGV[4], 'data', ARGV[5], 'ttl', ARGV[6],
  'version', 1, 'created', at, 'written', at)
changed(at, ARGV[6])
return {'made', record()}
