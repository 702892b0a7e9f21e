/** What an upstream said about a failure, in whatever shape it said it. Nothing here is safe to show; see `publicMessage`. */
export interface UpstreamError {
  readonly message: string | null;
  /** Its machine-readable words (`type`, `code`, `status`, `reason`), lower case. */
  readonly tags: readonly string[];
  /** An HTTP status given inside the body, as some upstreams do under status 200. */
  readonly innerStatus: number | null;
}

const MAX_READ = 65_536;
const TAG_FIELDS = ['type', 'code', 'status', 'reason', 'status_code'] as const;

/**
 * Reads an error body: `{error:{message}}`, `{error:"…"}`, `{message}`, `{msg}`, `{detail}`, `{errors:[…]}`,
 * `[{error}]`, MiniMax `base_resp`, or the beginning of such JSON. HTML and everything else has no message. Never throws.
 */
export function readUpstreamError(bodyExcerpt: string): UpstreamError {
  const text = bodyExcerpt.slice(0, MAX_READ).trim();
  const parsed = parseJson(text);
  if (parsed === undefined) return { message: firstMessageOf(text), tags: tagsOfFragment(text), innerStatus: null };
  const body = asRecord(Array.isArray(parsed) ? parsed[0] : parsed);
  if (!body) return { message: null, tags: [], innerStatus: null };
  const inner = asRecord(body['error']) ?? asRecord(body['base_resp']);
  const records = [inner, body, ...detailsOf(inner)].filter((record) => record !== null);
  return {
    message: messageOf(body, inner),
    tags: records.flatMap(tagsOf),
    innerStatus: records.map(statusOf).find((status) => status !== null) ?? null,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function messageOf(body: Record<string, unknown>, inner: Record<string, unknown> | null): string | null {
  const candidates = [
    inner?.['message'],
    inner?.['status_msg'],
    body['error'],
    body['message'],
    body['msg'],
    body['detail'],
    elementMessage(body['detail']),
    elementMessage(body['errors']),
  ];
  return candidates.map(nonEmpty).find((message) => message !== null) ?? null;
}

function elementMessage(list: unknown): unknown {
  if (!Array.isArray(list)) return undefined;
  const element: unknown = list[0];
  const record = asRecord(element);
  return record ? (record['message'] ?? record['msg']) : element;
}

function tagsOf(record: Record<string, unknown>): string[] {
  return TAG_FIELDS.map((field) => record[field]).flatMap((tag) =>
    typeof tag === 'string' ? [tag.toLowerCase()] : [],
  );
}

function statusOf(record: Record<string, unknown>): number | null {
  const code = Number(record['code'] ?? record['status']);
  return Number.isInteger(code) && code >= 400 && code <= 599 ? code : null;
}

function detailsOf(inner: Record<string, unknown> | null): (Record<string, unknown> | null)[] {
  const details = inner?.['details'];
  return Array.isArray(details) ? details.slice(0, 8).map(asRecord) : [];
}

/** JSON that was cut off in the middle still has its first `"message"`. */
function firstMessageOf(text: string): string | null {
  const quoted = /"(?:message|msg|detail)"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
  return quoted === undefined ? null : nonEmpty(parseJson(quoted));
}

function tagsOfFragment(text: string): string[] {
  const matches = text.slice(0, 8_192).matchAll(/"(?:type|code|status|reason)"\s*:\s*"(\w{1,64})"/g);
  return [...matches].flatMap((match) => (match[1] === undefined ? [] : [match[1].toLowerCase()]));
}

function nonEmpty(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
}

function asRecord(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
