-- Begins the budget of a tree at KEYS[1] that lives for ARGV[1] milliseconds, with the limits in ARGV: units and amounts.
-- Answers 0 when there is one.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local units = {}
for place = 2, #ARGV, 2 do
  units[#units + 1] = ARGV[place]
  redis.call('HSET', KEYS[1], 'l:' .. ARGV[place], ARGV[place + 1])
end
redis.call('HSET', KEYS[1], 'units', table.concat(units, ' '))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
