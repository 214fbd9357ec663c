-- Gives the stream whose log is KEYS[1] and whose place is KEYS[2], and whose writer is ARGV[1], to its heir ARGV[2], who
-- writes as ARGV[3] from now on and has the outputs from ARGV[4] to ARGV[5]. ARGV[6]: milliseconds of the lease; ARGV[7]:
-- that the stream is kept. Answers the last sequence that is kept; or nothing, and changes nothing, when that may not be.
local place = redis.call('HMGET', KEYS[2], 'writer', 'status', 'last', 'heir')
if place[2] ~= 'running' then
  return false
end
local last = tonumber(place[3])
if place[1] ~= ARGV[3] then
  local named = place[4] == ARGV[2] or ((not place[4] or place[4] == '') and last == 0)
  if place[1] ~= ARGV[1] or not named or last < ARGV[4] - 1 or last > tonumber(ARGV[5]) then
    return false
  end
end
local now = redis.call('TIME')
redis.call('HSET', KEYS[2], 'writer', ARGV[3], 'heir', '', 'until', now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
return last
