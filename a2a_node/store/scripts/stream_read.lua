-- Reads at most ARGV[4] events after the sequence ARGV[3] of the stream whose log is KEYS[1] and whose place is KEYS[2].
-- ARGV[1]: channel of those who read; ARGV[2]: of the one who writes; ARGV[5]: milliseconds that the reader counts as
-- present, or 0 for one that only looks; ARGV[6]: error of a call whose writer is lost; ARGV[7]: milliseconds that the
-- stream is kept. Answers nothing when there is none; or the place, the events, and the milliseconds left of the lease.
local place = redis.call('HMGET', KEYS[2], 'status', 'until', 'read', 'last')
if not place[1] then
  return false
end
local now = redis.call('TIME')
local at = now[1] * 1000 + math.floor(now[2] / 1000)
local left = 0
if place[1] == 'running' then
  left = tonumber(place[2]) - at
  if left <= 0 then
    left = 0
    redis.call('HSET', KEYS[2], 'status', 'failed', 'error', ARGV[6],
      'finished', now[1] .. string.format('%06d', now[2]))
    redis.call('PEXPIRE', KEYS[1], ARGV[7])
    redis.call('PEXPIRE', KEYS[2], ARGV[7])
    redis.call('PUBLISH', ARGV[1], 'lost')
  end
end
if ARGV[5] == '0' then
  return {redis.call('HGETALL', KEYS[2]), {}, left}
end
if left > 0 then
  redis.call('HSET', KEYS[2], 'reader', at + ARGV[5])
  local position = math.min(tonumber(ARGV[3]), tonumber(place[4]))
  if position > tonumber(place[3]) then
    redis.call('HSET', KEYS[2], 'read', position)
    redis.call('PUBLISH', ARGV[2], position)
  end
end
return {redis.call('HGETALL', KEYS[2]), redis.call('XRANGE', KEYS[1], '(' .. ARGV[3] .. '-0', '+', 'COUNT', ARGV[4]), left}
