-- Begins the stream whose log is KEYS[1] and whose place is KEYS[2] under the key KEYS[3], where that is free, for the
-- writer ARGV[1], whose lease is ARGV[2] ms; the stream is kept for ARGV[3] ms, the key for ARGV[5]. ARGV[4]: the digest
-- of what is asked. A key that stands for the call ARGV[6], where that is not empty, is free. Then come how many
-- arguments say what the key stands for, these, and fields of the stream's head and their contents in turn.
-- Answers 'begun'; or, and changes nothing, 'kept' and the id of the call that the key stands for; 'reused' when that was
-- asked otherwise; 'busy' while somebody else is about to begin; 'taken' when there is such a stream already.
local kept = redis.call('HMGET', KEYS[3], 'digest', 'worker', 'body')
if kept[1] and kept[1] ~= ARGV[4] then
  return {'reused', ''}
end
if kept[2] then
  return {'busy', ''}
end
if kept[1] and (ARGV[6] == '' or kept[3] ~= ARGV[6]) then
  return {'kept', kept[3]}
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return {'taken', ''}
end
local now = redis.call('TIME')
local at = now[1] .. string.format('%06d', now[2])
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('HSET', KEYS[2], 'writer', ARGV[1], 'status', 'running', 'created', at, 'last', 0, 'bytes', 0, 'read', 0,
  'reader', 0, 'until', now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[2], unpack(ARGV, 8 + ARGV[7]))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[3], 'digest', ARGV[4], unpack(ARGV, 8, 7 + ARGV[7]))
redis.call('PEXPIRE', KEYS[3], ARGV[5])
return {'begun', ''}
