-- Buckets of tokens. ARGV[1] says what is asked; all moments are by this clock, in microseconds, and no other clock refills.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local HEARD, REMEMBERED = 3000000, 10000000
local ALONE, SILENT, QUIET = '2', '1', 600000
local EARLY, MOST_EARLY = 0.05, 0.25 -- of a token, and seconds, that one used outright may be given too early

local function text(number)
  return string.format('%.17g', number)
end

local function fields()
  local flat, found = redis.call('HGETALL', KEYS[1]), {}
  for at = 1, #flat, 2 do
    found[flat[at]] = flat[at + 1]
  end
  return found
end

-- meet HOLDER KNOWN MARK GAP LOSS: KEYS[1] is the memory of all buckets of a mesh: since when they are whole. The holder is
-- noted as heard. KNOWN is the `since` that it knows, below 0 for none. MARK is 2 when it admitted calls alone since it was
-- heard last, 1 when it was silent so long that others might have.
-- What another run of this server knew may be older than what was told: then, and when the memory was there and is gone,
-- all buckets begin empty after LOSS, by when every lease of before has ended. When somebody limited alone they begin empty
-- after GAP, by when all who do so will have come back.
local function meet(holder, known, mark, gap, loss)
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local kept = fields()
  local since = tonumber(kept.since)
  local others, heard, latest = 0, 1, 0
  for name, moment in pairs(kept) do
    if string.sub(name, 1, 2) == 'n:' and name ~= 'n:' .. holder then
      moment = tonumber(moment)
      others = others + 1
      heard = heard + (now - moment < HEARD and 1 or 0)
      latest = math.max(latest, moment)
      if kept.run == run and now - moment > REMEMBERED then
        redis.call('HDEL', KEYS[1], name)
      end
    end
  end
  local present = others > 0 or kept['n:' .. holder]
  if not since then
    since = (known < 0 and mark ~= ALONE) and 0 or now + loss
  elseif kept.run ~= run or known > since then
    since = (present or known > since) and now + loss or since
  elseif mark == ALONE and since <= now and (since == known or known < 0) then
    since = now + gap
  elseif mark == SILENT and since == known and others > 0 and now - latest > QUIET and now - latest < REMEMBERED then
    since = now + gap
  end
  redis.call('HSET', KEYS[1], 'run', run, 'since', string.format('%.0f', since), 'n:' .. holder, string.format('%.0f', now))
  return {string.format('%.0f', now), string.format('%.0f', since), heard}
end

-- leave HOLDER: it is no longer there, and has no leases.
local function leave(holder)
  redis.call('HDEL', KEYS[1], 'n:' .. holder)
  return 1
end

-- The bucket of KEYS[1] as it is now: its tokens, its leases, and their sum. Refilled first, under the brim as it was with
-- every lease on record: a lease may have been used at its very end, and a full bucket on top would be too much. Under a
-- higher brim than before it holds what was not spent, or has grown again since; that is not known where the bucket began
-- empty, nor once a node has written that does not tell.
local function state(since, burst, rate)
  local kept, leases, out = fields(), {}, 0
  local seen = tonumber(kept.since)
  if not seen or seen < since then
    local full = since == 0 or (now - since) * rate >= burst * 1000000
    local level = full and burst or math.max(0, (now - since) * rate / 1000000)
    return {level = level, leases = {}, out = 0, spent = full and 0 or nil, new = true}
  end
  for name, lease in pairs(kept) do
    if string.sub(name, 1, 2) == 'l:' then
      local tokens, ends = string.match(lease, '^(%d+) (%d+)$')
      leases[name] = {tokens = tonumber(tokens), ends = tonumber(ends)}
      out = out + tonumber(tokens)
    end
  end
  local level, at = tonumber(kept.level), tonumber(kept.at)
  local gain = math.max(0, now - at) * tonumber(kept.rate) / 1000000
  level = math.max(level, math.min(level + gain, tonumber(kept.burst) - out))
  local spent = kept.told == kept.at and tonumber(kept.spent) or nil
  if spent then
    spent = math.min(spent, math.max(spent - gain, out))
    level = math.max(level, burst - spent)
  end
  return {level = level, leases = leases, out = out, spent = spent, ahead = seen > since}
end

-- Forgets what has ended of the others, and takes the holder's account of its own lease: what is left of that.
local function settled(bucket, holder, used, held)
  for name, lease in pairs(bucket.leases) do
    if name ~= holder and lease.ends <= now then
      redis.call('HDEL', KEYS[1], name)
      bucket.out = bucket.out - lease.tokens
    end
  end
  local mine = bucket.leases[holder]
  if not mine then
    return 0
  end
  bucket.out = bucket.out - mine.tokens
  local left = mine.ends > now and math.max(0, mine.tokens - used) or 0
  local keeps = math.min(held, left)
  bucket.level = bucket.level + left - keeps
  bucket.spent = bucket.spent and bucket.spent - left + keeps
  return keeps
end

-- What is given of a level: none when it is too low, as many as are needed, and of the rest half at most, so that leases
-- get smaller near the limit.
local function share(level, want, need, least)
  if level < least then
    return 0
  end
  return math.floor(math.min(level, need)) + math.floor(math.max(0, math.min(want - need, (level - need) / 2)))
end

-- lease HOLDER SINCE BURST RATE WANT NEED LEAST USED HELD TTL DEBT OUTRIGHT: tokens of the bucket KEYS[1], which is charged
-- with the debt first; where OUTRIGHT is 1 those needed are used now, and on no lease. Answers whether the memory is newer than
-- SINCE, the tokens, the microseconds until there is another one, or where none were given until there are enough, and those
-- until the tokens may be used, where one was given that is not there yet.
local function lease(holder, since, burst, rate, want, need, least, used, held, ttl, debt, outright)
  local bucket = state(since, burst, rate)
  if bucket.ahead then
    return {1, 0, 0, 0}
  end
  if bucket.new then
    redis.call('DEL', KEYS[1])
  end
  local keeps = settled(bucket, 'l:' .. holder, used, held)
  local level = math.min(bucket.level - debt, math.max(0, burst - bucket.out - keeps))
  local soon = outright == 1 and math.min(EARLY, rate * MOST_EARLY) or 0
  local give = now < since and 0 or share(level + soon, want, need, least)
  level = level - give
  local spent = bucket.spent and bucket.spent + debt + give
  local leased = keeps + give - (outright == 1 and math.min(give, need) or 0)
  if leased > 0 then
    redis.call('HSET', KEYS[1], 'l:' .. holder, string.format('%.0f %.0f', leased, now + ttl))
  else
    redis.call('HDEL', KEYS[1], 'l:' .. holder)
  end
  local at = string.format('%.0f', math.max(now, since))
  redis.call(
    'HSET', KEYS[1], 'level', text(level), 'at', at, 'burst', text(burst), 'rate', text(rate),
    'since', string.format('%.0f', since), 'spent', spent and text(spent) or '', 'told', at
  )
  -- when every lease has ended and the bucket is full, and would be under any brim, it is as good as none
  local full = math.max(0, since - now) + ttl + math.max(burst - level, spent or 0) / rate * 1000000
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(full / 1000) + 1000))
  local wait = math.max(0, (give > 0 and 1 or math.max(1, least)) - level) / rate * 1000000
  local early = give > 0 and math.max(0, -level) / rate * 1000000 or 0
  return {0, give, string.format('%.0f', math.ceil(math.max(0, since - now) + wait)), string.format('%.0f', math.ceil(early))}
end

-- look SINCE BURST RATE: the tokens of the bucket KEYS[1], and those of leases that have not ended. Changes nothing.
local function look(since, burst, rate)
  local bucket, out = state(since, burst, rate), 0
  for _, one in pairs(bucket.leases) do
    out = out + (one.ends > now and one.tokens or 0)
  end
  return {text(bucket.level), text(out)}
end

local numbers = {}
for at = 3, #ARGV do
  numbers[at - 2] = tonumber(ARGV[at])
end
if ARGV[1] == 'meet' then
  return meet(ARGV[2], numbers[1], ARGV[4], numbers[3], numbers[4])
elseif ARGV[1] == 'lease' then
  return lease(ARGV[2], unpack(numbers))
elseif ARGV[1] == 'leave' then
  return leave(ARGV[2])
end
return look(unpack(numbers))
