-- Ends entries: they are pending no more, and gone.
--
-- KEYS: the streams. ARGV: the group, then for each entry its stream's place in KEYS and its id; as many as `unpack` can hold.
--
-- Not a MULTI, which is refused where memory has run out: this is what frees memory.
local ids = {}
for place in ipairs(KEYS) do
    ids[place] = {}
end
for first = 2, #ARGV, 2 do
    table.insert(ids[tonumber(ARGV[first])], ARGV[first + 1])
end
for place, stream in ipairs(KEYS) do
    if #ids[place] > 0 then
        redis.call('XACK', stream, ARGV[1], unpack(ids[place]))
        redis.call('XDEL', stream, unpack(ids[place]))
    end
end
