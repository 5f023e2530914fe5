-- What is shared under a name, and for how many milliseconds it has been there.
--
-- KEYS: the value's hash. ARGV: none.
local kept = redis.call('HMGET', KEYS[1], 'value', 'at')
if not kept[1] then
    return false
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return { kept[1], math.max(0, now - tonumber(kept[2])) }
