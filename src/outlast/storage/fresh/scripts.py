"""What runs inside Redis, each script all or nothing. Members are spelt as `members.py` says.

For each lookup: `of:ENTITY` holds an entity's facts, `versions` every version by its key, `last` each entity's newest
moment, `due` the moment from which something of an entity may be forgotten, `newest` the newest moment of all,
`changes` how often an entity's facts changed in another way than by one that comes after the others.

Strings are never compared with < here: Lua compares them by the machine's locale.
"""

_SHARED = r"""
local ENDLESS = string.rep('\255', 8)
local function key_of(member)
    local stop = string.find(member, '\0\0', 9, true)
    return string.sub(member, 9, stop + 1), string.sub(member, stop + 2, stop + 9), string.sub(member, stop + 10)
end
local function past(key)  -- after all that begins with a key
    return string.sub(key, 1, -2) .. '\1'
end
local function earlier(one, other)  -- of two moments
    for at = 1, 8 do
        local a, b = string.byte(one, at), string.byte(other, at)
        if a ~= b then return a < b end
    end
    return false
end
local function changed(p, entity)
    redis.call('HINCRBY', p .. 'changes', entity, 1)
end
local function number_of(moment)
    local found = string.byte(moment, 1) - 128
    for at = 2, 8 do found = found * 256 + string.byte(moment, at) end
    return string.format('%.17g', found)
end
"""

INGEST = (
    _SHARED
    + r"""
local function member_at(facts, known, key)
    return redis.call('ZRANGEBYLEX', facts, '[' .. known .. key, '(' .. known .. past(key))[1]
end
local function supersede(p, key, known)
    local found = redis.call('ZREVRANGEBYLEX', p .. 'versions', '(' .. key .. known, '[' .. key, 'LIMIT', 0, 1)[1]
    if not found then return end
    local before, entity = string.sub(found, #key + 1, #key + 8), string.sub(found, #key + 9)
    local facts = p .. 'of:' .. entity
    local member = member_at(facts, before, key)
    local _, until_, values = key_of(member)
    if until_ == known then return end
    redis.call('ZREM', facts, member)
    redis.call('ZADD', facts, 0, before .. key .. known .. values)
    redis.call('ZADD', p .. 'due', 'LT', number_of(known), entity)
    changed(p, entity)
end
local function put(p, key, known, moment, entity, values)
    local facts, versions = p .. 'of:' .. entity, p .. 'versions'
    local low, high = '[' .. key .. known, '(' .. key .. known .. '\255'
    local there = redis.call('ZRANGEBYLEX', versions, low, high)[1]
    local new = 1
    if there then
        new = 0
        local owner = string.sub(there, #key + 9)
        local member = member_at(p .. 'of:' .. owner, known, key)
        local _, _, said = key_of(member)
        if owner == entity and said == values then return 0 end
        redis.call('ZREM', p .. 'of:' .. owner, member)
        redis.call('ZREM', versions, there)
        changed(p, owner)
        changed(p, entity)
    end
    local next_ = redis.call('ZRANGEBYLEX', versions, high, '(' .. past(key), 'LIMIT', 0, 1)[1]
    local until_ = next_ and string.sub(next_, #key + 1, #key + 8) or ENDLESS
    local member = known .. key .. until_ .. values
    redis.call('ZADD', versions, 0, key .. known .. entity)
    redis.call('ZADD', facts, 0, member)
    redis.call('ZADD', p .. 'last', 'GT', moment, entity)
    redis.call('ZADD', p .. 'due', 'LT', moment, entity)
    if redis.call('ZREVRANK', facts, member) > 0 then changed(p, entity) end
    supersede(p, key, known)
    return new
end
local names, new, at = ARGV[1], 0, 3
while at <= #ARGV do
    local p = names .. ARGV[at] .. ':'
    local count = tonumber(ARGV[at + 1])
    redis.call('SADD', names .. 'lookups', ARGV[at])
    redis.call('HSETNX', p .. 'changes', '\255', ARGV[2])
    redis.call('ZADD', p .. 'newest', 0, ARGV[at + 2])
    redis.call('ZREMRANGEBYRANK', p .. 'newest', 0, -2)
    at = at + 3
    for _ = 1, count do
        new = new + put(p, ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
        at = at + 5
    end
end
return new
"""
)
"""Names, a new mark of the store; then per lookup its digest, how many facts, their newest moment; then per fact its
key and moment as they are spelt, the moment as a number, the entity and the values. Gives how many are new."""

PRUNE = (
    _SHARED
    + r"""
local p, limit, keep, entity = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local facts = p .. 'of:' .. entity
local old = redis.call('ZREVRANGEBYLEX', facts, '(' .. limit, '-')
local gone, kept = 0, 0
for _, member in ipairs(old) do
    local key, until_ = key_of(member)
    if kept >= keep or earlier(until_, limit) then
        redis.call('ZREM', facts, member)
        redis.call('ZREM', p .. 'versions', key .. string.sub(member, 1, 8) .. entity)
        if until_ ~= ENDLESS then changed(p, entity) end
        gone = gone + 1
    elseif until_ == ENDLESS then
        kept = kept + 1
    end
end
local left = redis.call('ZRANGE', facts, 0, keep)
redis.call('ZREM', p .. 'due', entity)
if #left == 0 then redis.call('ZREM', p .. 'last', entity) end
for place, member in ipairs(left) do
    local _, until_ = key_of(member)
    if until_ ~= ENDLESS then redis.call('ZADD', p .. 'due', 'LT', number_of(until_), entity) end
    if place == keep + 1 then redis.call('ZADD', p .. 'due', 'LT', number_of(string.sub(member, 1, 8)), entity) end
end
return gone
"""
)
"""A lookup's names, the moment before which facts are forgotten, how many of an entity's newest stay, and one entity.
Gives how many went."""

COUNTED = (
    _SHARED
    + r"""
local p, entity, low, before, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local facts, high = p .. 'of:' .. entity, '(' .. before
local above, left, size, first = high, count, count, nil
repeat
    local some = redis.call('ZREVRANGEBYLEX', facts, above, '-', 'LIMIT', 0, size)
    for _, member in ipairs(some) do
        local _, until_ = key_of(member)
        if not earlier(until_, before) then left = left - 1 end
        if left == 0 then
            first = string.sub(member, 1, 8)
            break
        end
    end
    local more = #some == size
    above, size = '(' .. (some[#some] or ''), size * 2
until first or not more
local from = '-'
if first then from = '[' .. (earlier(first, low) and first or low) end
return {redis.call('HMGET', p .. 'changes', entity, '\255'), redis.call('ZRANGEBYLEX', facts, from, high)}
"""
)
"""A lookup's names, one entity, two moments as they are spelt, and how many facts it takes at least: those from the
first moment on and before the second, and from earlier on until so many of them are not replaced before the second."""

DROP = (
    _SHARED
    + r"""
redis.call('DEL', ARGV[1] .. 'of:' .. ARGV[2])
changed(ARGV[1], ARGV[2])
return 0
"""
)
"""A lookup's names and one entity."""
