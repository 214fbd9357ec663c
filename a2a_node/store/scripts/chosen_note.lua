-- Notes the call of KEYS[1] for ARGV[1] milliseconds: ARGV[2] began it, of the agent ARGV[3]; ARGV[4] is the id that its
-- node has made. Answers 1; or, and changes nothing, 0 where somebody else has begun one of that id.
local before = redis.call('HGET', KEYS[1], 'principal')
if before and before ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], 'principal', ARGV[2], 'agent', ARGV[3], 'made', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
