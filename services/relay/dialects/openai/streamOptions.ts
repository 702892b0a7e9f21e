import type { ChannelQuirks } from '../../ports.ts';

/** Channels that have refused `stream_options` since this process began, by their quirks, which all models of one share. */
const refusing = new WeakSet<ChannelQuirks>();

/** Whether a channel is asked for usage in its streams: unless its flag says no, or it has refused before. */
export function takesStreamOptions(quirks: ChannelQuirks): boolean {
  return quirks.supportsStreamOptions && !refusing.has(quirks);
}

/** Remembers a refusal that names them. True where it is news, so that asking again without them may go well. */
export function hasRefusedStreamOptions(quirks: ChannelQuirks, status: number, text: string): boolean {
  if ((status !== 400 && status !== 422) || !text.includes('stream_options')) return false;
  if (!takesStreamOptions(quirks)) return false;
  refusing.add(quirks);
  return true;
}
