-- slot: who calls. ARGV 1 slot 2 incarnation 3 seq, in every call of a runner.
-- own[slot] is "incarnation seq word outcome ...", where word is
--   idle  empty | more                                 holds nothing; what the last claim found
--   held  id fence attempt started max_crashes crash_delay queue    runs that job
--   left                                               went of its own accord
--   crashed                                            its death is recorded
local mine = call('HGET', ns .. 'own', ARGV[1])
local word, outcome
local id, fence, attempt, started, queue -- of `held`; of `idle`, id is what the last claim found

-- turn: 'next' where this call is to be carried out, 'again' where it was already, else why not
local function turn()
  if not mine then return 'no member' end
  local incarnation, seq
  incarnation, seq, word, outcome, id, fence, attempt, started, queue =
    string.match(mine, '^(%d+) (%d+) (%a+) (%S+) ?(%S*) ?(%d*) ?(%d*) ?(%d*) ?%d* ?%d* ?(%S*)$')
  if incarnation ~= ARGV[2] or word == 'crashed' then return 'stale' end
  if seq == ARGV[3] then return 'again' end
  if word == 'left' or seq + 1 ~= tonumber(ARGV[3]) then return 'stale' end
  return 'next'
end

local function note_slot(text)
  call('HSET', ns .. 'own', ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. text)
end
