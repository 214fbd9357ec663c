-- Keeps a value under KEYS[1] for ARGV[1] milliseconds; if ARGV[2] is 1, only where there is none.
-- The other arguments are its fields and their contents in turn. Answers 1 when it was kept.
if ARGV[2] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
