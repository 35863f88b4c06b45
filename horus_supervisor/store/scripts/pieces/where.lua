-- where: find a job. Returns state, packed, since_ms (due or dead), "slot own" where it runs, queue.

local function holder(id)
  local all = call('HGETALL', ns .. 'own')
  for i = 2, #all, 2 do
    if string.match(all[i], '^%d+ %d+ held %S+ (%S+)') == id then return all[i - 1] .. ' ' .. all[i] end
  end
end

local function where(id)
  local job = call('HGET', ns .. 'jobs', id)
  if job then
    local queue = string.match(job, HEAD .. '(%S+)') or '?'
    local since = call('ZSCORE', ns .. 'scheduled:' .. queue, id)
    if since then return 'scheduled', job, since, '', queue end
    since = call('ZSCORE', ns .. 'dead:' .. queue, id)
    if since then return 'dead', job, since, '', queue end
    local slot = holder(id)
    if slot then return 'running', job, '', slot, queue end
    return 'ready', job, '', '', queue
  end
  for _, set in ipairs({'finished', 'finished:old'}) do
    if call('SISMEMBER', ns .. set, ' ' .. id) == 1 then return 'discarded', '', '', '', '' end
    if call('SISMEMBER', ns .. set, id) == 1 then return 'succeeded', '', '', '', '' end
  end
  return 'unknown', '', '', '', ''
end
