-- Drops the stream whose log is KEYS[1] and whose place is KEYS[2], if its writer is ARGV[1], and tells the channel ARGV[2].
-- Answers under which key it was begun, empty for none; nothing when there is no such stream.
local place = redis.call('HMGET', KEYS[2], 'writer', 'key')
if not place[1] then
  return false
end
if place[1] == ARGV[1] then
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('PUBLISH', ARGV[2], 'gone')
end
return place[2] or ''
