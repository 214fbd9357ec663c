-- Admits the call ARGV[3] below ARGV[2] in the tree of ARGV[1]; then come what its parent reports and what is held back.
-- Answers nothing when the tree is not known, `taken` when the call is there already, `exhausted` with unit, limit and
-- use, or `admitted` with what is left, unit by unit.
if redis.call('EXISTS', tree) == 0 then
  return false
end
local parent, call = ARGV[2], ARGV[3]
if call == root or redis.call('HEXISTS', tree, 'p:' .. call) == 1 then
  return {'taken'}
end
if redis.call('HEXISTS', tree, 'p:' .. parent) == 0 then
  parent = root
end
local used, place = amounts(4)
local hold = amounts(place)
report(parent, used)

local function needed(unit)
  return (hold[unit] or 0) + (unit == 'calls' and 1 or 0)
end

for unit in units() do
  local limit, use = beyond(parent, unit, math.max(needed(unit), 1))
  if limit then
    return {'exhausted', unit, string.format('%.0f', limit), string.format('%.0f', use)}
  end
end
redis.call('HSET', tree, 'p:' .. call, parent)
redis.call('HINCRBY', tree, 'n:' .. parent, 1)
local answer = {'admitted'}
for unit in units() do
  add(parent, unit, needed(unit))
  if hold[unit] and hold[unit] > 0 then
    redis.call('HSET', tree, 'h:' .. call .. ':' .. unit, string.format('%.0f', hold[unit]))
  end
end
for unit in units() do
  answer[#answer + 1] = unit
  answer[#answer + 1] = string.format('%.0f', left(call, unit))
end
return answer
