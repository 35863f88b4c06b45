#!lua flags=no-writes
-- seek: the ids that begin so, a piece at a time: no call is long, however many ids there are.
-- KEYS  1 namespace
-- ARGV  1 beginning 2 jobs: which wait, run or are dead; finished, finished:old: which ended; crashes: of crashes
--       3 where to go on, 0 at first
-- REPLY where to go on, 0: that was the last piece; ids, some perhaps twice
-- include: base
local found = {}
if ARGV[2] == 'crashes' then
  local entries = call('XREVRANGE', ns .. 'crashes', ARGV[3] == '0' and '+' or '(' .. ARGV[3], '-', 'COUNT', 100)
  for _, entry in ipairs(entries) do
    local id = entry[2][2]
    if string.sub(id, 1, #ARGV[1]) == ARGV[1] then found[#found + 1] = id end
  end
  return {#entries == 100 and entries[100][1] or '0', found}
end
local pattern = string.gsub(ARGV[1], '[%*%?%[%]\\]', '\\%0') .. '*'
local scan, size, step = 'SSCAN', 1000, 1
if ARGV[2] == 'jobs' then scan, size, step = 'HSCAN', 200, 2 end -- few: the payloads come along
local piece = call(scan, ns .. ARGV[2], ARGV[3], 'MATCH', pattern, 'COUNT', size)
for i = 1, #piece[2], step do found[#found + 1] = piece[2][i] end
return {piece[1], found}
