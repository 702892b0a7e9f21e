/** How long a recording is, in whole seconds, rounded up, at least 1. */
export interface Duration {
  /** Exact for plain WAV. */
  readonly seconds: number;
  /** More than a decoder can make of these bytes. */
  readonly atMost: number;
}

/** Speech in MP3 and M4A has mostly 64 to 128 kbit/s, so this seldom counts more than was heard. */
const TYPICAL_BYTES_PER_SECOND = 8_000;
/** Opus' floor of 6 kbit/s; MP3 begins at 8. */
const FEWEST_BYTES_PER_SECOND = 750;

/** Of plain WAV by its header, of any other container by its size. */
export function durationOf(bytes: Buffer): Duration {
  const wave = plainWave(bytes);
  if (wave) return { seconds: upwards(wave.stated / wave.perSecond), atMost: upwards(wave.rest / wave.perSecond) };
  return {
    seconds: upwards(bytes.length / TYPICAL_BYTES_PER_SECOND),
    atMost: upwards(bytes.length / FEWEST_BYTES_PER_SECOND),
  };
}

function upwards(seconds: number): number {
  return Math.max(1, Math.ceil(seconds));
}

interface Wave {
  readonly perSecond: number;
  /** Bytes of sound as the header has it. */
  readonly stated: number;
  /** Bytes from the sound's beginning to the file's end: what a decoder reads that trusts no header. */
  readonly rest: number;
}

/** PCM, float, A-law and µ-law. */
const PLAIN_FORMATS: ReadonlySet<number> = new Set([1, 3, 6, 7]);
const EXTENSIBLE = 0xfffe;
const MAX_CHUNKS = 64;

/** Null for what is no WAV, is compressed, or has two opinions of its format. */
function plainWave(bytes: Buffer): Wave | null {
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE') return null;
  let perSecond: number | null = null;
  let at = 12;
  for (let chunk = 0; chunk < MAX_CHUNKS && at + 8 <= bytes.length; chunk += 1) {
    const name = bytes.toString('latin1', at, at + 4);
    const size = bytes.readUInt32LE(at + 4);
    const start = at + 8;
    if (name === 'fmt ') {
      if (perSecond !== null || start + 16 > bytes.length) return null;
      perSecond = bytesPerSecond(bytes, start, size);
      if (perSecond === null) return null;
    } else if (name === 'data') {
      const rest = bytes.length - start;
      return perSecond === null ? null : { perSecond, stated: size > 0 && size <= rest ? size : rest, rest };
    }
    at = start + size + (size % 2);
  }
  return null;
}

/** Rate × channels × sample: what a decoder plays by. The header's own byte rate is only its opinion. */
function bytesPerSecond(bytes: Buffer, start: number, size: number): number | null {
  const tag = bytes.readUInt16LE(start);
  const isExtensible = tag === EXTENSIBLE && size >= 26 && start + 26 <= bytes.length;
  if (!PLAIN_FORMATS.has(isExtensible ? bytes.readUInt16LE(start + 24) : tag)) return null;
  const channels = bytes.readUInt16LE(start + 2);
  const rate = bytes.readUInt32LE(start + 4);
  const bits = bytes.readUInt16LE(start + 14);
  const perSecond = rate * channels * Math.ceil(bits / 8);
  return perSecond > 0 ? perSecond : null;
}

/** Whole seconds that a provider states, rounded up; null for what is no length of time. */
export function secondsIn(value: unknown): number | null {
  const seconds = typeof value === 'string' && /^\d{1,9}(\.\d{1,20})?$/.test(value) ? Number(value) : value;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0) return null;
  const whole = Math.ceil(seconds);
  return Number.isSafeInteger(whole) ? whole : null;
}
