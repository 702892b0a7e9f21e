import { createServer } from 'node:http';
import { Pool } from 'undici';

/** What every ratio is measured against: node:http and an undici pool, the body buffered, the answer passed on as it comes. */
const upstream = process.argv[2] ?? '';
const pool = new Pool(upstream, { connections: 256, pipelining: 1 });
const server = createServer((request, response) => {
  const body: Buffer[] = [];
  request.on('data', (data: Buffer) => body.push(data));
  request.on('end', () => {
    pool.dispatch(
      {
        path: '/v1/chat/completions',
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: Buffer.concat(body),
      },
      {
        onRequestStart: () => undefined,
        onResponseStart(_controller, status, headers) {
          const type = String(headers['content-type']);
          const length = headers['content-length'];
          response.writeHead(
            status,
            length === undefined
              ? { 'content-type': type }
              : { 'content-type': type, 'content-length': String(length) },
          );
        },
        onResponseData(controller, data) {
          if (response.write(data)) return;
          controller.pause();
          response.once('drain', () => controller.resume());
        },
        onResponseEnd: () => void response.end(),
        onResponseError: () => void response.destroy(),
      },
    );
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as { port: number }).port }));
process.on('message', (message) => {
  if (message === 'cpu') process.send?.({ cpu: process.cpuUsage() });
});
process.on('disconnect', () => process.exit());
