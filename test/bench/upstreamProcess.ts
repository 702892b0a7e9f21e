import { createServer } from 'node:http';

/** A provider that costs almost nothing: a fixed 1 KB answer, or 100 chunks of about 300 bytes, in one burst. */
const usage = { prompt_tokens: 90, completion_tokens: 100, total_tokens: 190 };
const base = { id: 'chatcmpl-bench', created: 1_700_000_000, model: 'bench-model' };
const json = Buffer.from(
  JSON.stringify({
    ...base,
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: 'x'.repeat(760) }, finish_reason: 'stop' }],
    usage,
  }),
);
const event = (choices: unknown[], extra: object) =>
  `data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices, ...extra })}\n\n`;
const chunk = event([{ index: 0, delta: { content: 'word '.repeat(28) }, finish_reason: null }], { usage: null });
const ending =
  event([{ index: 0, delta: {}, finish_reason: 'stop' }], { usage: null }) + event([], { usage }) + 'data: [DONE]\n\n';

let completed = 0;
const server = createServer((request, response) => {
  if (request.url === '/completed') {
    response.end(String(completed));
    return;
  }
  let streamed = false;
  request.on('data', (data: Buffer) => {
    streamed ||= data.includes('"stream":true');
  });
  request.on('end', () => {
    response.on('finish', () => (completed += 1));
    if (!streamed) {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': json.length });
      response.end(json);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let sent = 0; sent < 100; sent += 1) response.write(chunk);
    response.end(ending);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as { port: number }).port }));
process.on('disconnect', () => process.exit());
