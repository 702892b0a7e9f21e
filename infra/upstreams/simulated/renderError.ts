const TYPES: ReadonlyMap<number, readonly [type: string, code: string | null]> = new Map([
  [400, ['invalid_request_error', null]],
  [401, ['invalid_request_error', 'invalid_api_key']],
  [402, ['insufficient_quota', 'insufficient_quota']],
  [403, ['permission_error', null]],
  [404, ['invalid_request_error', 'model_not_found']],
  [429, ['rate_limit_error', 'rate_limit_exceeded']],
]);

/** An error body in OpenAI's shape. */
export function renderError(status: number, message: string): string {
  const [type, code] = TYPES.get(status) ?? [status < 500 ? 'invalid_request_error' : 'server_error', null];
  return JSON.stringify({ error: { message, type, param: null, code } });
}
