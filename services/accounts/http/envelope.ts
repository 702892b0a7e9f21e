import type { Reply } from '../../http/route.ts';

/** A value in AI Hub's envelope. */
export function hubReply(data: unknown, status = 200): Reply {
  return { status, body: { success: true, data } };
}

/** A value in the gateway's envelope, whose document knows no success but 200. */
export function gatewayReply(data: unknown): Reply {
  return { status: 200, body: { code: 0, msg: 'Success', data } };
}

/** The reply holds a secret, which nothing on its way may keep. */
export function unkept(reply: Reply): Reply {
  return { ...reply, headers: { ...reply.headers, 'cache-control': 'no-store' } };
}
