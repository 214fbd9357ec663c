-- Ends the claim of the worker ARGV[1] on KEYS[1] and wakes whoever waits: keeps the outcome for ARGV[2] milliseconds, or
-- forgets the key when that is 0. The other arguments are the outcome's fields and their contents in turn.
-- Answers 0, and changes nothing, when the worker has no claim.
if redis.call('HGET', KEYS[1], 'worker') ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('HDEL', KEYS[1], 'worker')
  if #ARGV > 2 then
    redis.call('HSET', KEYS[1], unpack(ARGV, 3))
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
redis.call('PUBLISH', KEYS[1], 'ended')
return 1
