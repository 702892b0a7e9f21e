import type { UpstreamProtocol } from '../canonical/crossing.ts';
import { inlineMedia } from '../canonical/inlineMedia.ts';
import type { MediaFetcher, Protocol } from '../ports.ts';
import { claudeProtocol } from './claude/upstream.ts';
import { cozeProtocol } from './coze/upstream.ts';
import { difyProtocol } from './dify/upstream.ts';
import { fastgptProtocol } from './fastgpt/upstream.ts';
import { geminiProtocol } from './gemini/upstream.ts';
import { ollamaProtocol } from './ollama/upstream.ts';
import { openaiProtocol } from './openai/upstream.ts';

export type Spoken = (protocol: Protocol) => UpstreamProtocol;

/** Every protocol that a channel may have. Gemini and Ollama fetch nothing, so what a client names by URL is fetched for them. */
export function protocolsWith(media: MediaFetcher): Spoken {
  const protocols: Readonly<Record<Protocol, UpstreamProtocol>> = {
    openai: openaiProtocol,
    claude: claudeProtocol,
    gemini: fetchingFor(geminiProtocol, media),
    ollama: fetchingFor(ollamaProtocol, media),
    fastgpt: fastgptProtocol,
    dify: difyProtocol,
    coze: cozeProtocol,
  };
  return (protocol) => protocols[protocol];
}

function fetchingFor(protocol: UpstreamProtocol, media: MediaFetcher): UpstreamProtocol {
  return {
    ...protocol,
    ask: async (prompt, channel) => protocol.ask(await inlineMedia(prompt, (url) => media.fetch(url)), channel),
  };
}
