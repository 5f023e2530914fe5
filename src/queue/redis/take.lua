-- Takes unread entries of at most so many targets, by weight.
--
-- KEYS: the streams high, normal and bulk, and what they have been charged. ARGV: the group, the consumer, how many targets,
-- and 1 where a single entry may have more. Answers whether entries were left for want of room, and the entries taken: of each
-- its stream's place in KEYS, its id, its targets and its work.
--
-- The stream that was charged least is served next, so that many small takes keep to the weights as one large does, over all
-- nodes. Charges are relative to the one that was served last: who comes back from idling starts there, and has saved nothing up.

-- What a target costs its stream: the inverse of the weights 8 : 4 : 1.
local COSTS = { 1, 2, 8 }
-- Entries looked at in one go, at most.
local PAGE = 100

local group, consumer, room, alone = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local charges = KEYS[4]

-- The group is gone after FLUSHALL; it begins with what is there.
local function last_delivered(stream)
    local groups = redis.pcall('XINFO', 'GROUPS', stream)
    for _, fields in ipairs(groups.err and {} or groups) do
        local values = {}
        for at = 1, #fields, 2 do
            values[fields[at]] = fields[at + 1]
        end
        if values['name'] == group then
            return values['last-delivered-id']
        end
    end
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
    return '0-0'
end

local lines = {}
local charged = { string.match(redis.call('GET', charges) or '', '^(%d+) (%d+) (%d+)$') }
for place, cost in ipairs(COSTS) do
    local stream = KEYS[place]
    lines[place] = {
        stream = stream, last = last_delivered(stream), cost = cost, charged = tonumber(charged[place] or 0),
        page = {}, at = 1, count = 0,
    }
end

-- The first unread entry that is not spoken for.
local function peek(line)
    if line.at > #line.page and not line.is_ended then
        local count = math.min(math.max(room, 1), PAGE)
        line.page, line.at = redis.call('XRANGE', line.stream, '(' .. line.last, '+', 'COUNT', count), 1
        line.is_ended = #line.page < count
        if #line.page > 0 then
            line.last = line.page[#line.page][1]
        end
    end
    return line.page[line.at]
end

local function next_line()
    local turn
    for _, line in ipairs(lines) do
        if peek(line) and (not turn or line.charged < turn.charged) then
            turn = line
        end
    end
    return turn
end

local served
local line = next_line()
while line and room > 0 do
    local targets = math.max(tonumber(peek(line)[2][2] or 1) or 1, 1)
    if targets > room and (served or not alone) then
        break
    end
    served = line.charged
    line.charged = line.charged + targets * line.cost
    line.at = line.at + 1
    line.count = line.count + 1
    room = room - targets
    line = next_line()
end
local is_short = line and 1 or 0
if not served then
    return { is_short, {} }
end

local taken = {}
for place, line in ipairs(lines) do
    if line.count > 0 then
        local read = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', line.count, 'STREAMS', line.stream, '>')
        for _, entry in ipairs(read[1][2]) do
            taken[#taken + 1] = { place, entry[1], entry[2][2] or '', entry[2][4] or '' }
        end
    end
    charged[place] = string.format('%d', math.max(line.charged - served, 0))
end
-- Where memory has run out this is refused, and taking goes on: it is what frees memory.
redis.pcall('SET', charges, table.concat(charged, ' '))
return { is_short, taken }
