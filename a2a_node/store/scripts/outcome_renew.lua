-- Lets the claim of the worker ARGV[1] on KEYS[1] live on for ARGV[2] milliseconds. Answers 0 when it has none.
if redis.call('HGET', KEYS[1], 'worker') ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
