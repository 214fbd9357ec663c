-- Says something in the stream whose log is KEYS[1] and whose place is KEYS[2], for the writer ARGV[1]; tells the channel
-- ARGV[2]. ARGV[3]: milliseconds of the writer's lease; ARGV[4]: that the stream is kept; ARGV[5]: events kept;
-- ARGV[6]: bytes kept; ARGV[7]: sequence of the first event; ARGV[8]: how the call ended, or empty; ARGV[9]: its error;
-- ARGV[10]: its heir, or empty. The other arguments are kind, type and body of each event. Answers how far others have read, and whether one is there;
-- or nothing when the writer has no right (any more), or -1 where nothing is known of the stream.
local place = redis.call('HMGET', KEYS[2], 'writer', 'status', 'last', 'bytes', 'read', 'reader')
if not place[1] then
  return {-1, 0}
end
if place[1] ~= ARGV[1] or (place[2] ~= 'running' and place[2] ~= ARGV[8]) then
  return false
end
local now = redis.call('TIME')
local at = now[1] * 1000 + math.floor(now[2] / 1000)
local reading = {tonumber(place[5]), tonumber(place[6]) > at and 1 or 0}
if place[2] ~= 'running' then
  return reading
end
local last, bytes, sequence = tonumber(place[3]), tonumber(place[4]), tonumber(ARGV[7])
local known = last
for i = 11, #ARGV, 3 do
  if sequence > last then
    redis.call('XADD', KEYS[1], string.format('%d-0', sequence), 'kind', ARGV[i], 'type', ARGV[i + 1], 'body', ARGV[i + 2])
    last, bytes = sequence, bytes + #ARGV[i + 2]
  end
  sequence = sequence + 1
end
local length = redis.call('XLEN', KEYS[1])
while length > 1 and (length > tonumber(ARGV[5]) or bytes > tonumber(ARGV[6])) do
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  redis.call('XDEL', KEYS[1], oldest[1])
  length, bytes = length - 1, bytes - #oldest[2][6]
end
redis.call('HSET', KEYS[2], 'last', last, 'bytes', bytes, 'until', at + ARGV[3], 'heir', ARGV[10])
if ARGV[8] ~= '' then
  redis.call('HSET', KEYS[2], 'status', ARGV[8], 'error', ARGV[9], 'finished', now[1] .. string.format('%06d', now[2]))
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
if last > known or ARGV[8] ~= '' then
  redis.call('PUBLISH', ARGV[2], last)
end
return reading
