-- Gives the call ARGV[3] an account below ARGV[2] in the tree of ARGV[1], with limits of its own in ARGV from the fifth on, and
-- lets the tree live for ARGV[4] milliseconds at least. Answers 0 when it has one, nothing when the tree is not known.
if redis.call('EXISTS', tree) == 0 then
  return false
end
local parent, call = ARGV[2], ARGV[3]
if call == root or redis.call('HEXISTS', tree, 'p:' .. call) == 1 then
  return 0
end
if redis.call('HEXISTS', tree, 'p:' .. parent) == 0 then
  parent = root
end
redis.call('HSET', tree, 'p:' .. call, parent)
redis.call('HINCRBY', tree, 'n:' .. parent, 1)
for unit, limit in pairs((amounts(5))) do
  if not limited(unit) then -- a unit of this call's own: nothing bounds it for the others
    local before = redis.call('HGET', tree, 'units')
    redis.call('HSET', tree, 'units', before == '' and unit or before .. ' ' .. unit, 'l:' .. unit, string.format('%.0f', most))
  end
  redis.call('HSET', tree, 'c:' .. call .. ':' .. unit, string.format('%.0f', limit))
end
if redis.call('PTTL', tree) < tonumber(ARGV[4]) then
  redis.call('PEXPIRE', tree, ARGV[4])
end
return 1
