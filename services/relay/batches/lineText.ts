/** Which line it is: the client's name for it, and ours. */
export interface LineNames {
  readonly customId: string;
  readonly lineId: string;
}

/** The line of an output or error file for a line that was asked. `body` is JSON text on one line, and stands as it is. */
export function answeredLine(
  { customId, lineId }: LineNames,
  { status, body }: { readonly status: number; readonly body: string },
): string {
  const names = `"id":${JSON.stringify(batchRequestId(lineId))},"custom_id":${JSON.stringify(customId)}`;
  const response = `{"status_code":${String(status)},"request_id":${JSON.stringify(lineId)},"body":${body}}`;
  return `{${names},"response":${response},"error":null}`;
}

const NOT_ASKED = {
  expired: {
    code: 'batch_expired',
    message: 'This request could not be executed before the completion window expired.',
  },
  cancelled: { code: 'batch_cancelled', message: 'The batch was cancelled before this request was executed.' },
  completed: { code: 'internal_error', message: 'This request was not executed.' },
} as const;

/** The line of an error file for a line that nobody was asked for. */
export function unansweredLine({ customId, lineId }: LineNames, ending: keyof typeof NOT_ASKED): string {
  const id = batchRequestId(lineId);
  return JSON.stringify({ id, custom_id: customId, response: null, error: NOT_ASKED[ending] });
}

function batchRequestId(lineId: string): string {
  return `batch_req_${lineId.replaceAll('-', '')}`;
}
