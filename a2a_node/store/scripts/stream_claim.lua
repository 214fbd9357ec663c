-- Lets the key KEYS[1] stand for the call ARGV[1], where it is free, for ARGV[4] milliseconds; ARGV[2] is the mark of the
-- call's writer, ARGV[3] the digest of what is asked. A key that stands for the call ARGV[5], where that is not empty, is
-- free. The other arguments are fields that say what the key stands for, and their contents in turn. Answers 'begun', also
-- when asked again by that writer; or, and changes nothing, 'kept', the id of the call that the key stands for and the mark
-- of who said so, empty where that call's stream was certainly begun under the key; 'reused' when it was asked otherwise;
-- 'busy' while somebody else is about to begin.
local kept = redis.call('HMGET', KEYS[1], 'digest', 'worker', 'body', 'mark')
if kept[3] == ARGV[1] and kept[4] == ARGV[2] then
  return {'begun', ARGV[1], ''}
end
if kept[1] and kept[1] ~= ARGV[3] then
  return {'reused', '', ''}
end
if kept[2] then
  return {'busy', '', ''}
end
if kept[1] and (ARGV[5] == '' or kept[3] ~= ARGV[5]) then
  return {'kept', kept[3], kept[4] or ''}
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'digest', ARGV[3], 'mark', ARGV[2], unpack(ARGV, 6))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'begun', ARGV[1], ''}
