-- Claims KEYS[1] for the worker ARGV[1] with the digest ARGV[2], for ARGV[3] milliseconds.
-- Answers 'won'; 'reused' when it is kept with another digest; 'busy' and the milliseconds that another's claim has
-- left; or 'kept' and the fields of the outcome.
local kept = redis.call('HMGET', KEYS[1], 'digest', 'worker')
if not kept[1] then
  redis.call('HSET', KEYS[1], 'digest', ARGV[2], 'worker', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {'won'}
end
if kept[1] ~= ARGV[2] then
  return {'reused'}
end
if kept[2] then
  return {'busy', redis.call('PTTL', KEYS[1])}
end
return {'kept', redis.call('HGETALL', KEYS[1])}
