-- Token buckets (GCRA) on the clock of this server, so that the clocks of the gateways do not matter.
-- KEYS: each holds a theoretical arrival time (TAT), in microseconds since BASE.
-- ARGV: for each key microseconds per token, and burst, used and wanted in tokens. What is used was taken without asking,
-- or is given back (negative).
-- Returns for each key: tokens granted, microseconds until one can be had, tokens that are left.
local BASE = 1767225600 -- 2026-01-01: until 2100 a double keeps a thirtieth of a microsecond of what has passed since
local time = redis.call('TIME')
local now = (tonumber(time[1]) - BASE) * 1000000 + tonumber(time[2])

local function take(key, interval, burst, used, wanted)
    local stored = redis.pcall('GET', key)
    if type(stored) == 'table' then
        return 0, 1000000, 0 -- it holds something that is not ours: nothing is granted, and nothing spoiled
    end
    local latest = now + burst * interval
    local tat = math.max(stored and tonumber(stored) or now, now)
    -- A debt counts, but no more than a burst of it: a gateway that went on without us must not close the limit for long.
    tat = math.min(math.max(tat + used * interval, now), latest + burst * interval)
    local granted = math.max(0, math.min(wanted, math.floor((latest - tat) / interval + 0.000001)))
    tat = tat + granted * interval
    if tat > now then
        redis.call('SET', key, string.format('%.3f', tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
    else
        redis.call('DEL', key)
    end
    local wait = 0
    if granted == 0 and wanted > 0 then
        wait = math.max(1, math.ceil(tat + interval - latest))
    end
    return granted, wait, math.max(0, math.floor((latest - tat) / interval + 0.000001))
end

local answers = {}
for index, key in ipairs(KEYS) do
    local first = 4 * index - 3
    local granted, wait, level = take(key, tonumber(ARGV[first]), tonumber(ARGV[first + 1]),
        tonumber(ARGV[first + 2]), tonumber(ARGV[first + 3]))
    local place = 3 * index - 2
    answers[place], answers[place + 1], answers[place + 2] = granted, wait, level
end
return answers
