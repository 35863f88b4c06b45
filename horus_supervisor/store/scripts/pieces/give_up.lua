-- give_up: a job that is in no list any more ends as discarded, and is known as such for a while
local function give_up(id, queue)
  call('HDEL', ns .. 'jobs', id)
  call('DEL', ns .. 'history:' .. id)
  call('SADD', ns .. 'finished', id, ' ' .. id)
  call('HINCRBY', ns .. 'discarded', queue, 1)
end
