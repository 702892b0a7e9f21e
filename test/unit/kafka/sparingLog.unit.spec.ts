import { expect, it } from 'vitest';
import { sparingLog } from '../../../infra/kafka/sparingLog.ts';

it('A sparing log says the same warning once, and errors each time', () => {
  const said: string[] = [];
  const say = (_: object, message: string) => void said.push(message);
  const log = sparingLog({ info: say, warn: say, error: say });
  for (const message of ['a', 'a', 'b', 'a']) log.warn({}, message);
  for (const message of ['c', 'c']) log.error({}, message);
  expect(said).toEqual(['a', 'b', 'c', 'c']);
});
