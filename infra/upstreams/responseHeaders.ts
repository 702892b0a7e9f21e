type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What the relay may learn from an upstream's answer; cookies, organisation names and the rest stop here. */
const PASSED = [
  'content-type',
  'date',
  'retry-after',
  'retry-after-ms',
  'x-request-id',
  'request-id',
  'x-generation-id',
  'apim-request-id',
  'openai-processing-ms',
] as const;

/** The allowed ones among an upstream's headers (names in lower case). */
export function passedHeaders(headers: Headers): Headers {
  const passed: Record<string, string | readonly string[]> = {};
  for (const name of PASSED) {
    const value = headers[name];
    if (value !== undefined) passed[name] = value;
  }
  return passed;
}
