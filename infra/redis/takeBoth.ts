import type { Redis, Result } from 'ioredis';

/** What both counters had used before, and in how many milliseconds their minutes end; -1 where there is no limit. */
export type BothCounters = readonly [requestsUsed: number, requestsEnd: number, tokensUsed: number, tokensEnd: number];

/**
 * Looks at both counters and takes from both if the call fits into both: one step for everybody who uses this Redis.
 * An empty limit leaves its counter alone.
 */
const TAKE_BOTH = `
local window, counters, fits = tonumber(ARGV[1]), {}, true
for i = 1, 2 do
  local limit, asked = tonumber(ARGV[2 * i]), ARGV[2 * i + 1]
  if limit then
    local ends = redis.call('pttl', KEYS[i])
    local used = ends > 0 and tonumber(redis.call('get', KEYS[i])) or 0
    counters[i] = { used, ends > 0 and ends or window, asked, ends > 0 }
    fits = fits and used + tonumber(asked) <= limit
  end
end
for i, counter in pairs(fits and counters or {}) do
  if counter[4] then redis.call('incrby', KEYS[i], counter[3])
  else redis.call('set', KEYS[i], counter[3], 'px', window) end
end
local none = { -1, -1 }
local requests, tokens = counters[1] or none, counters[2] or none
return { requests[1], requests[2], tokens[1], tokens[2] }
`;

declare module 'ioredis' {
  interface RedisCommander<Context> {
    tallystickTakeBoth(
      requestsKey: string,
      tokensKey: string,
      windowMs: number,
      requestsLimit: number | '',
      requests: number,
      tokensLimit: number | '',
      tokens: number,
    ): Result<BothCounters, Context>;
  }
}

/** Teaches a connection the command `tallystickTakeBoth`. */
export function defineTakeBoth(redis: Redis): void {
  redis.defineCommand('tallystickTakeBoth', { numberOfKeys: 2, lua: TAKE_BOTH });
}
