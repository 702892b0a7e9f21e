import { ApiError } from '../../../http/errors.ts';
import { parseObject } from '../../wire/json.ts';
import type { Message, Part, TextPart } from '../../canonical/prompt.ts';
import type { OutputItem } from './items.ts';
import { readMadeImage } from './media.ts';
import { answered, type Turns } from './turns.ts';
import type { WholeResponse } from './writer.ts';

/** A response that can be found again, with the whole conversation up to and with its answer. */
export interface StoredResponse extends Turns {
  readonly id: string;
  /** JSON text as the client got it. */
  readonly body: string;
  /** Messages of that role; the instructions of a request are not continued. */
  readonly system: readonly TextPart[];
  readonly messages: readonly Message[];
  /** Epoch seconds. */
  readonly createdAt: number;
}

/** Keeps responses of accounts that may store content. The adapter owns encryption and expiry. Throws StoreUnavailable. */
export interface ResponseStore {
  /** A second save of an id replaces the first. */
  save(accountId: string, response: StoredResponse): Promise<void>;
  /** Null when there is none, or it is another account's. */
  find(accountId: string, id: string): Promise<StoredResponse | null>;
  /** False when there is none, or it is another account's. */
  remove(accountId: string, id: string): Promise<boolean>;
}

/** The stored responses of the account that calls. */
export interface OwnResponses {
  find(id: string): Promise<StoredResponse | null>;
  /** Takes a response to save, after its settlement; never throws. */
  keep(response: StoredResponse): void;
}

/** `failed` hears of a response that could not be saved; its client has it already. */
export function ownResponses(store: ResponseStore, accountId: string, failed: (error: unknown) => void): OwnResponses {
  return {
    find: (id) => store.find(accountId, id),
    keep: (response) => void save(store, accountId, response).catch(failed),
  };
}

async function save(store: ResponseStore, accountId: string, response: StoredResponse): Promise<void> {
  await store.save(accountId, response);
}

/**
 * What to save of a response. Its items become messages as if the client had sent them back, so a conversation goes on
 * the same way by `previous_response_id` and by its items; reasoning is dropped in both.
 */
export function toStore(turns: Turns, { id, output, createdAt, body }: WholeResponse): StoredResponse {
  const { system, messages } = answered(turns, output.flatMap(partsOf));
  return { id, body, system, messages, createdAt };
}

/** A call that was cut short cannot be run, so it is left out. Arguments that are no JSON object become an empty one. */
function partsOf(item: OutputItem): Part[] {
  switch (item.type) {
    case 'message':
      return item.content.map((part) =>
        part.type === 'refusal' ? { type: 'refusal', text: part.refusal } : { type: 'text', text: part.text },
      );
    case 'function_call': {
      if (item.status === 'incomplete') return [];
      const json = parseObject(item.arguments) ? item.arguments : '{}';
      return [{ type: 'toolCall', id: item.call_id, name: item.name, arguments: json }];
    }
    case 'reasoning':
      return [];
    case 'image_generation_call':
      return item.result === null ? [] : [readMadeImage(item.result, item.output_format ?? 'png')];
  }
}

/** The turns before a request that names a response. Throws ApiError when it was not found. */
export function turnsBefore(found: StoredResponse | null, id: string): Turns {
  if (found) return found;
  throw new ApiError('invalid_request', {
    detail: `previous_response_id: there is no response with the id ${id}`,
    param: 'previous_response_id',
  });
}

/** The answer to GET: JSON text. `streamed`: the client wants the stream again. Throws ApiError `not_found`. */
export function retrieved(found: StoredResponse | null, streamed: boolean): string {
  if (!found) throw noSuchResponse();
  if (streamed) {
    throw new ApiError('unsupported_parameter', { detail: 'stream: streams are not kept', param: 'stream' });
  }
  return found.body;
}

/** The answer to DELETE. Throws ApiError `not_found`. */
export function deleted(removed: boolean, id: string): object {
  if (!removed) throw noSuchResponse();
  return { id, object: 'response', deleted: true };
}

/** The answer to a cancellation: always an ApiError, for no response runs in the background. */
export function cancellation(found: StoredResponse | null): ApiError {
  if (!found) return noSuchResponse();
  return new ApiError('invalid_request', { detail: 'Only a response with background: true can be cancelled.' });
}

function noSuchResponse(): ApiError {
  return new ApiError('not_found', { detail: 'There is no response with this id.' });
}
