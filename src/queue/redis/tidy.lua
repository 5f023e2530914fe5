-- Clears away what nobody can reach any more, of one stream.
--
-- KEYS: the stream. ARGV: the group, how long a consumer with nothing pending has been idle before it is forgotten, in
-- milliseconds, and the consumer that is never forgotten.
local stream, group, idle, own = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]

local function named(fields)
    local values = {}
    for at = 1, #fields, 2 do
        values[fields[at]] = fields[at + 1]
    end
    return values
end

local last
local groups = redis.pcall('XINFO', 'GROUPS', stream)
for _, fields in ipairs(groups.err and {} or groups) do
    local values = named(fields)
    if values['name'] == group then
        last = values['last-delivered-id']
    end
end
if not last then
    return 0
end

-- What lies before the first pending entry was read and is not pending: a lone XACK left it, and it would keep its room for good.
local first_pending = redis.call('XPENDING', stream, group)[2]
local cleared = redis.call('XTRIM', stream, 'MINID', '=', first_pending or last)
if not first_pending then
    cleared = cleared + redis.call('XDEL', stream, last)
end

-- In the script nothing can become pending between the look and the removal, which would lose it.
for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local consumer = named(fields)
    if consumer['pending'] == 0 and consumer['idle'] > idle and consumer['name'] ~= own then
        redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer['name'])
    end
end
return cleared
