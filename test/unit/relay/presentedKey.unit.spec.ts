import { describe, expect, it } from 'vitest';
import {
  CLAUDE_PLACES,
  GEMINI_PLACES,
  HUB_PLACES,
  presentedKey,
  USUAL_PLACES,
  type KeyPlaces,
} from '../../../services/relay/http/presentedKey.ts';

const found = (places: KeyPlaces, headers: Readonly<Record<string, string>>, query = '') =>
  presentedKey(headers, new URLSearchParams(query), places);

const ALL = { authorization: 'Bearer a', 'x-api-key': 'x', 'api-key': 'z', 'x-goog-api-key': 'g' };
const without = (...names: readonly string[]) =>
  Object.fromEntries(Object.entries(ALL).filter(([name]) => !names.includes(name)));

describe('The key that a caller presents', () => {
  it.each([
    [{ authorization: 'Bearer k' }, 'k'],
    [{ authorization: 'bearer  k' }, 'k'],
    [{ authorization: 'k' }, 'k'],
    [{ 'x-api-key': ' k ' }, 'k'],
    [{ 'api-key': 'k' }, 'k'],
    [{ 'x-goog-api-key': 'k' }, 'k'],
    [{}, null],
    [{ authorization: '' }, ''],
  ])('is found in %j', (headers, key) => {
    for (const places of [USUAL_PLACES, CLAUDE_PLACES, GEMINI_PLACES, HUB_PLACES]) {
      expect(found(places, headers)).toBe(key);
    }
  });

  it('is the first of several, in one order', () => {
    expect(found(USUAL_PLACES, ALL)).toBe('a');
    expect(found(USUAL_PLACES, without('authorization'))).toBe('x');
    expect(found(USUAL_PLACES, without('authorization', 'x-api-key'))).toBe('z');
    expect(found(USUAL_PLACES, { 'x-goog-api-key': 'g' })).toBe('g');
    expect(found(GEMINI_PLACES, { 'x-goog-api-key': 'g' }, 'key=q')).toBe('g');
    expect(found(HUB_PLACES, { 'api-key': 'z' }, 'api_key=q')).toBe('z');
  });

  it('is first x-api-key for Anthropic’s clients, who mean that when they send both', () => {
    expect(found(CLAUDE_PLACES, ALL)).toBe('x');
    expect(found(CLAUDE_PLACES, without('x-api-key'))).toBe('a');
  });

  it('is no second one when the first is wrong, not even an empty one', () => {
    expect(found(USUAL_PLACES, { authorization: 'Bearer ', 'x-api-key': 'x' })).toBe('');
  });

  it.each([
    [GEMINI_PLACES, 'key=k', 'k'],
    [GEMINI_PLACES, 'api_key=k', null],
    [HUB_PLACES, 'api_key=k', 'k'],
    [HUB_PLACES, 'key=k', null],
    [USUAL_PLACES, 'key=k&api_key=k', null],
    [CLAUDE_PLACES, 'key=k&api_key=k', null],
  ])('may stand in a URL only where that is documented: %j %s', (places, query, key) => {
    expect(found(places, {}, query)).toBe(key);
  });
});
