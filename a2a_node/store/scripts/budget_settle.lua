-- Counts what the call ARGV[2] in the tree of ARGV[1] reports, in ARGV from the fifth on. If ARGV[3] is 1 it has ended:
-- what was held back for it is free again, and it was no call of the tree if ARGV[4] is 0. Answers what it has used.
if redis.call('EXISTS', tree) == 0 then
  return {}
end
local call = ARGV[2]
local known = call == root or redis.call('HEXISTS', tree, 'p:' .. call) == 1
report(known and call or root, (amounts(5)))
local answer = {}
for unit in units() do
  answer[#answer + 1] = unit
  answer[#answer + 1] = string.format('%.0f', number('u:' .. call .. ':' .. unit))
end
if ARGV[3] == '0' or not known or call == root or redis.call('HEXISTS', tree, 'o:' .. call) == 1 then
  return answer
end

local parent = above(call)
if ARGV[4] == '0' and limited('calls') then
  add(parent, 'calls', -1)
end
for unit in units() do
  local used = number('u:' .. call .. ':' .. unit)
  local rest = used - taken(call, unit, used)
  redis.call('HDEL', tree, 'h:' .. call .. ':' .. unit)
  add(parent, unit, rest)
end

-- An account goes when neither its call nor any below it is under way; what it used stays in those above.
redis.call('HSET', tree, 'o:' .. call, 1)
while call ~= root and number('n:' .. call) <= 0 and redis.call('HEXISTS', tree, 'o:' .. call) == 1 do
  local up = above(call)
  for unit in units() do
    redis.call('HDEL', tree, 'u:' .. call .. ':' .. unit)
  end
  redis.call('HDEL', tree, 'p:' .. call, 'n:' .. call, 'o:' .. call)
  redis.call('HINCRBY', tree, 'n:' .. up, -1)
  call = up
end
return answer
