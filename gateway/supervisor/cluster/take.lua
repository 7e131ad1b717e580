-- One token bucket (GCRA) on the clock of this server, so that the clocks of the gateways do not matter.
-- KEYS[1]: its theoretical arrival time (TAT), in microseconds since BASE.
-- ARGV: microseconds per token; burst, used and wanted in tokens. What is used was taken without asking, or is given back (negative).
-- Returns {tokens granted, microseconds until one can be had}.
local BASE = 1767225600 -- 2026-01-01: until 2100 a double keeps a thirtieth of a microsecond of what has passed since
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local used, wanted = tonumber(ARGV[3]), tonumber(ARGV[4])

local time = redis.call('TIME')
local now = (tonumber(time[1]) - BASE) * 1000000 + tonumber(time[2])
local latest = now + burst * interval
local stored = redis.call('GET', KEYS[1])
local tat = stored and tonumber(stored) or now
-- A debt counts, but no more than a burst of it: a gateway that was told to go on without us must not close the limit for long.
tat = math.min(math.max(tat + used * interval, now), latest + burst * interval)

local granted = math.max(0, math.min(wanted, math.floor((latest - tat) / interval + 0.000001)))
tat = tat + granted * interval
if tat > now then
    redis.call('SET', KEYS[1], string.format('%.3f', tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
else
    redis.call('DEL', KEYS[1])
end
local wait = 0
if granted == 0 and wanted > 0 then
    wait = math.max(1, math.ceil(tat + interval - latest))
end
return {granted, wait}
