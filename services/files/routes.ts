import type { RelayRoute, Route } from '../http/route.ts';
import type { Uploads } from '../relay/dialects/gateway/call.ts';
import type { GatewayFile } from '../relay/dialects/gateway/request.ts';
import type { RateLimiter } from '../relay/ports.ts';
import { fileLinkRoute, gatewayUpload, uploadsOf, type FileLinks } from './gatewayUpload.ts';
import type { Library } from './library.ts';
import { openaiFileRoutes, openaiUpload } from './openaiFiles.ts';
import { uploadRoutes, type UploadSetting } from './uploadBody.ts';

export interface FileRoutesParts {
  readonly library: Library;
  readonly links: FileLinks;
  readonly limiter: RateLimiter;
  readonly uploads: UploadSetting;
}

/** Everything that clients do with files, and what the gateway's chats ask of them. */
export function fileRoutes({ library, links, limiter, uploads }: FileRoutesParts) {
  const relayRoutes: readonly RelayRoute[] = uploadRoutes(uploads, [
    openaiUpload(library, limiter),
    gatewayUpload(library, links, limiter),
  ]);
  const routes: readonly Route[] = [...openaiFileRoutes(library), fileLinkRoute(library, links)];
  return {
    relayRoutes,
    routes,
    uploadsOf: (accountId: string, files: readonly GatewayFile[]): Promise<Uploads> =>
      uploadsOf(library, links, accountId, files),
  };
}
