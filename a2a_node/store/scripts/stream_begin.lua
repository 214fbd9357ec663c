-- Begins the stream whose log is KEYS[1] and whose place is KEYS[2], for the writer ARGV[1], whose lease is ARGV[2] ms.
-- ARGV[3]: milliseconds that it is kept; ARGV[4]: under which key it is begun, empty for none. The other arguments are
-- fields of its head and their contents in turn. Answers 1, also when asked again by that writer; or, and changes nothing,
-- under which key the one was begun that is there already, empty for none.
local place = redis.call('HMGET', KEYS[2], 'writer', 'key')
if place[1] == ARGV[1] then
  return 1
end
if place[1] then
  return place[2] or ''
end
local now = redis.call('TIME')
local at = now[1] .. string.format('%06d', now[2])
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[2], 'writer', ARGV[1], 'status', 'running', 'created', at, 'last', 0, 'bytes', 0, 'read', 0,
  'reader', 0, 'until', now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[2], 'key', ARGV[4], unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
