-- Adds entries to the streams that have room for them.
--
-- KEYS: the streams. ARGV: how many entries a stream holds at most, then for each entry its stream's place in KEYS, its targets and its work.
local room = {}
for place, stream in ipairs(KEYS) do
    room[place] = tonumber(ARGV[1]) - redis.call('XLEN', stream)
end
for first = 2, #ARGV, 3 do
    local place = tonumber(ARGV[first])
    if room[place] > 0 then
        room[place] = room[place] - 1
        redis.call('XADD', KEYS[place], '*', 'targets', ARGV[first + 1], 'work', ARGV[first + 2])
    end
end
