-- Frees the key KEYS[1], if the writer of the mark ARGV[1] let it stand for its call.
return redis.call('HGET', KEYS[1], 'mark') == ARGV[1] and redis.call('DEL', KEYS[1])
