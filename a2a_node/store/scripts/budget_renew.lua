-- Lets the account ARGV[2] in the tree of ARGV[1] use so much more than it has used, by the amounts in ARGV from the fifth on, and
-- the tree live for ARGV[3] milliseconds at least; of each turn ARGV[4] once. Answers 0 for what is not known.
local call = ARGV[2]
if redis.call('EXISTS', tree) == 0 or (call ~= root and redis.call('HEXISTS', tree, 'p:' .. call) == 0) then
  return 0
end
if number('t:' .. call) < tonumber(ARGV[4]) then
  redis.call('HSET', tree, 't:' .. call, ARGV[4])
  for unit, amount in pairs((amounts(5))) do
    local field = (call == root and 'l:' or 'c:' .. call .. ':') .. unit
    if redis.call('HEXISTS', tree, field) == 1 then
      redis.call('HSET', tree, field, string.format('%.0f', math.min(number('u:' .. call .. ':' .. unit) + amount, most)))
    end
  end
end
if redis.call('PTTL', tree) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', tree, ARGV[3])
end
return 1
