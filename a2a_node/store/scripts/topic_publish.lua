-- Appends a message to the log KEYS[1] of a topic whose place is kept in KEYS[2], and tells the channel ARGV[1].
-- ARGV[2]: messages kept; ARGV[3]: milliseconds that the log lives on; ARGV[4]: that the place does.
-- The other arguments are the message's fields and their contents in turn. Answers its id and its time in microseconds.
local now = redis.call('TIME')
local at = now[1] .. string.format('%06d', now[2])
if redis.call('HSETNX', KEYS[2], 'born', at) == 1 then
  -- What an earlier life of the topic left behind would stand in the way of the first ids.
  redis.call('DEL', KEYS[1])
end
local id = redis.call('HINCRBY', KEYS[2], 'last', 1)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], id .. '-0', 'at', at, unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('PUBLISH', ARGV[1], redis.call('HGET', KEYS[2], 'born') .. ' ' .. id)
return {id, at}
