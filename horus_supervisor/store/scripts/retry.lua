#!lua flags=allow-oom
-- retry: dead or scheduled -> ready, by an operator's word: the dead with a new life. What has expired stays, as
-- a claim would discard it.
-- KEYS  1 namespace
-- ARGV  1 id 2 its fence when the operator looked, or '': a late copy must not revive it once more
-- REPLY ok | stale: it ran since | expired | ready: it waits already | running | succeeded | discarded | unknown
-- include: base
-- include: push
-- include: move
-- include: where
-- include: hold
local id = ARGV[1]
local state, job, _, _, queue = where(id)
if state ~= 'dead' and state ~= 'scheduled' then return {state} end
local n = counters(job)
if ARGV[2] ~= '' and n.fence ~= tonumber(ARGV[2]) then return {'stale'} end
local now = now_ms()
local expires = tonumber(string.match(job, HEAD .. '%S+ %S+ ?(%d*)') or '')
if expires and expires <= now then return {'expired'} end
n.due = now
if state == 'dead' then n.attempts, n.crashes, n.losses = 0, 0, 0 end
-- writes
unpark(id, queue)
call('ZREM', ns .. state .. ':' .. queue, id)
repack(id, job, n)
push('LPUSH', queue, id)
if state == 'dead' then note(id, now, 'retried', 0, n.fence, '{}') end
return {'ok'}
