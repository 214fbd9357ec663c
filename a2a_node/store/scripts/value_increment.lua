-- Adds ARGV[1] to the whole number under KEYS[1], which is made with a life of ARGV[2] milliseconds if there is none.
-- Answers the sum and the milliseconds left, or nothing when the value is no such number or the sum would not be.
local kind = redis.call('HGET', KEYS[1], 'kind')
if kind and kind ~= 'text' then
  return false
end
-- Redis adds by itself, because Lua's numbers are not whole beyond 2^53.
local sum = redis.pcall('HINCRBY', KEYS[1], 'body', ARGV[1])
if type(sum) == 'table' then
  return false
end
if not kind then
  redis.call('HSET', KEYS[1], 'kind', 'text', 'type', 'text/plain')
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return {redis.call('HGET', KEYS[1], 'body'), redis.call('PTTL', KEYS[1])}
