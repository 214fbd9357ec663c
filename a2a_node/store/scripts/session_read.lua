-- Reads a session, without its data if ARGV[4] is 1; unless ARGV[2] is 1 it lives on from here, by ARGV[3] milliseconds
-- where those are given. Answers 'gone', 'absent', or 'live' and the session.
local found = state()
if found ~= 'live' then
  return {found}
end
if ARGV[2] == '0' then
  if ARGV[3] ~= '' then
    redis.call('HSET', KEYS[1], 'ttl', ARGV[3])
  end
  changed(moment(), redis.call('HGET', KEYS[1], 'ttl'))
end
return {'live', record(ARGV[4] == '1')}
