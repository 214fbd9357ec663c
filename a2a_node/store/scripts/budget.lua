-- KEYS[1] is a hash, the budget of one tree of calls:
--   units              the units that it limits, between spaces
--   l:<unit>           how much of it the tree may use
--   u:<call>:<unit>    how much a call and those below it have used or reserved
--   h:<call>:<unit>    how much of it was held back for that call
--   p:<call>           its parent, for every call below the root that has not ended
--   n:<call>           how many calls below it have not ended
--   o:<call>           set when it has ended before them
--   c:<call>:<unit>    how much a call and those below it may use, where it was given less than the tree has
--   t:<call>           the last turn in which it was given more
-- What a call takes of the one above it is what it uses, or what was held back for it where that is more.
local tree, root = KEYS[1], ARGV[1]
local most = 9e15 -- beyond 2^53 numbers are not exact; nobody gets there who is not lying

local function number(field)
  return tonumber(redis.call('HGET', tree, field) or '0')
end

local function units()
  return string.gmatch(redis.call('HGET', tree, 'units'), '%S+')
end

local function above(call)
  return redis.call('HGET', tree, 'p:' .. call) or root
end

local function taken(call, unit, used)
  return math.max(used, number('h:' .. call .. ':' .. unit))
end

-- Add to what a call uses and to what follows for those above it.
local function add(call, unit, amount)
  while call ~= root and amount ~= 0 do
    local field = 'u:' .. call .. ':' .. unit
    local before = number(field)
    local after = math.min(before + amount, most)
    redis.call('HSET', tree, field, string.format('%.0f', after))
    amount = taken(call, unit, after) - taken(call, unit, before)
    call = above(call)
  end
  if amount ~= 0 then
    local field = 'u:' .. root .. ':' .. unit
    redis.call('HSET', tree, field, string.format('%.0f', math.min(number(field) + amount, most)))
  end
end

-- The limit, and the use, that would not let a call use so much more: the nearest on the way to the root; nil for none.
local function beyond(call, unit, amount)
  while call ~= root do
    local used = number('u:' .. call .. ':' .. unit)
    local limit = redis.call('HGET', tree, 'c:' .. call .. ':' .. unit)
    if limit and used + amount > tonumber(limit) then
      return tonumber(limit), used
    end
    amount = taken(call, unit, used + amount) - taken(call, unit, used)
    call = above(call)
  end
  local limit, used = number('l:' .. unit), number('u:' .. root .. ':' .. unit)
  if used + amount > limit then
    return limit, used
  end
end

-- How much a call and those below it could still use: what the root has left, and what was held back on the way.
local function left(call, unit)
  local least, spare = most, 0
  while call ~= root do
    local used = number('u:' .. call .. ':' .. unit)
    local limit = redis.call('HGET', tree, 'c:' .. call .. ':' .. unit)
    if limit then
      least = math.min(least, tonumber(limit) - used + spare)
    end
    spare = spare + taken(call, unit, used) - used
    call = above(call)
  end
  return math.max(math.min(least, number('l:' .. unit) - number('u:' .. root .. ':' .. unit) + spare), 0)
end

-- The amounts that stand in ARGV from a place on: how many, then units and amounts; and the place behind them.
local function amounts(place)
  local found, ends = {}, place + 2 * tonumber(ARGV[place])
  for at = place + 1, ends, 2 do
    found[ARGV[at]] = tonumber(ARGV[at + 1])
  end
  return found, ends + 1
end

local function limited(unit)
  return redis.call('HEXISTS', tree, 'l:' .. unit) == 1
end

local function report(call, used)
  for unit, amount in pairs(used) do
    if limited(unit) then
      add(call, unit, amount)
    end
  end
end
