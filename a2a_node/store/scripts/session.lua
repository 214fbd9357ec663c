-- What the scripts of sessions share. KEYS[1] is a session, KEYS[2] the set of those of its kin that Postgres does not have
-- as they are here, by when they first were not. ARGV[1] is the session's id.
-- A deleted session stays for a while with a ttl of 0, so that no older copy of it can come back.

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- 'live', 'gone', or 'absent' when only Postgres can tell.
local function state()
  local ttl = redis.call('HGET', KEYS[1], 'ttl')
  return not ttl and 'absent' or ttl == '0' and 'gone' or 'live'
end

-- The moment of this access in microseconds, later than any before: copies of a session are compared by it.
local function moment()
  local last = tonumber(redis.call('HGET', KEYS[1], 'accessed') or 0)
  return string.format('%.0f', math.max(now(), last + 1))
end

-- Notes a change that was made at this moment, and how many milliseconds the session lives from here.
local function changed(at, life)
  redis.call('HSET', KEYS[1], 'accessed', at)
  redis.call('PEXPIRE', KEYS[1], life)
  redis.call('ZADD', KEYS[2], 'NX', now(), ARGV[1])
end

-- The session, its data last, or none of it.
local function record(bare)
  local fields = {'agent', 'user', 'version', 'ttl', 'created', 'accessed', 'written', not bare and 'data' or nil}
  return redis.call('HMGET', KEYS[1], unpack(fields))
end
