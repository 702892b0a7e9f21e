import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { InvoiceRefused } from '../../../services/billing/invoicing/invoiceRefused.ts';
import { PriceBookRefused } from '../../../services/billing/pricebook/priceBookFile.ts';
import { CommandFailed, failureJson, failureOf, failureText } from '../../../services/cli/failure.ts';
import { ApiError } from '../../../services/http/errors.ts';

describe('a failure', () => {
  it.each([
    [new CommandFailed('not_found', 'no'), 'not_found'],
    [new StoreUnavailable('away'), 'unavailable'],
    [new ApiError('not_found'), 'not_found'],
    [new ApiError('invalid_request'), 'usage'],
    [new ApiError('key_state'), 'refused'],
    [new ApiError('max_keys_reached'), 'refused'],
    [new ApiError('service_unavailable'), 'unavailable'],
    [new ApiError('internal_error'), 'failed'],
    [new PriceBookRefused(['models: none']), 'usage'],
    [new InvoiceRefused(['an amount is off']), 'refused'],
    [new TypeError('x is not a function'), 'failed'],
    ['a thrown text', 'failed'],
  ] as const)('%s has its own exit', (error, exit) => {
    expect(failureOf(error).exit).toBe(exit);
  });

  it('tells what the API would tell, with its facts', () => {
    const error = new ApiError('key_state', { extra: { reason: 'revoked' } });
    expect(failureOf(error).message).toBe('The API key is not in a state that allows this. (reason revoked)');
  });

  it('tells the whole chain of causes, also of several at once', () => {
    const refused = new AggregateError([new Error('connect ECONNREFUSED ::1:5432'), new Error('the other')]);
    const error = new StoreUnavailable('opening the store', { cause: new Error('no database', { cause: refused }) });
    expect(failureOf(error).message).toBe('opening the store: no database: connect ECONNREFUSED ::1:5432');
  });

  it('is text for people and one line of JSON for programs', () => {
    const failure = failureOf(new PriceBookRefused(['models: none', 'effectiveFrom: not an instant']));
    expect(failureText(failure)).toBe(
      'The price book is not valid.\n  - models: none\n  - effectiveFrom: not an instant\n',
    );
    expect(failureJson(failure)).toBe(
      '{"error":{"kind":"usage","exitCode":2,"message":"The price book is not valid.","problems":["models: none","effectiveFrom: not an instant"]}}\n',
    );
  });
});
