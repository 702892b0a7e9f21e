import { createHash } from 'node:crypto';

/** What Claude takes as the id of a tool call. */
const LEGAL_TOOL_ID = /^[a-zA-Z0-9_-]{1,256}$/;

/** The id itself when Claude takes it, otherwise one derived from it: a call and its result keep the same one. */
export function legalToolId(id: string): string {
  return LEGAL_TOOL_ID.test(id) ? id : `toolu_${createHash('sha256').update(id).digest('hex').slice(0, 32)}`;
}

/** The id of a call for a client; made from our request where the upstream gives none. */
export function toolUseId(id: string | null, requestId: string, call: number): string {
  return id === null || id === '' ? `toolu_${bare(requestId)}_${String(call)}` : legalToolId(id);
}

/** The upstream's id when it is one of Claude's kind. */
export function messageId(id: string | null, requestId: string): string {
  return id !== null && /^msg_[\w-]{1,120}$/.test(id) ? id : `msg_${bare(requestId)}`;
}

function bare(requestId: string): string {
  return requestId.replaceAll('-', '');
}
