-- Puts a value in the place of another; answers 1 if it did.
--
-- KEYS: the value's hash. ARGV: 1 if something is expected to be there, what, the new value, how many milliseconds what is
-- there stays at least, and after how many the new value is forgotten.
local kept = redis.call('HMGET', KEYS[1], 'value', 'at')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if kept[1] then
    local is_expected = ARGV[1] == '1' and kept[1] == ARGV[2]
    if not is_expected or now - tonumber(kept[2]) < tonumber(ARGV[4]) then
        return 0
    end
end
redis.call('HSET', KEYS[1], 'value', ARGV[3], 'at', now)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
