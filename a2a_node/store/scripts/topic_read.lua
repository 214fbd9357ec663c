-- Reads at most ARGV[2] messages after the id ARGV[1] from the log KEYS[1] of a topic whose place is kept in KEYS[2].
-- Answers when the topic was born, its last id, and the messages.
local place = redis.call('HMGET', KEYS[2], 'born', 'last')
return {place[1] or '', tonumber(place[2] or 0), redis.call('XRANGE', KEYS[1], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])}
