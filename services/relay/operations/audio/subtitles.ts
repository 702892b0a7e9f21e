import { objectsIn, textIn, type Json } from '../../wire/json.ts';

export const TEXT_FORMATS = ['text', 'srt', 'vtt'] as const;
export type TextFormat = (typeof TEXT_FORMATS)[number];

interface Cue {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** A `verbose_json` transcript in a format of text, as Whisper writes them; null when it lacks what that needs. */
export function renderTranscript(transcript: Json, format: TextFormat): string | null {
  if (format === 'text') return typeof transcript['text'] === 'string' ? `${transcript['text'].trim()}\n` : null;
  const cues = cuesIn(transcript);
  if (!cues) return null;
  if (format === 'vtt') return `WEBVTT\n\n${cues.map((cue) => cueText(cue, '.')).join('')}`;
  return cues.map((cue, index) => `${String(index + 1)}\n${cueText(cue, ',')}`).join('');
}

function cuesIn({ segments, text }: Json): readonly Cue[] | null {
  if (!Array.isArray(segments)) return null;
  const cues = objectsIn(segments).map((segment) => ({
    start: momentIn(segment['start']),
    end: momentIn(segment['end']),
    text: textIn(segment['text']).trim(),
  }));
  const isWhole = cues.length === segments.length && (cues.length > 0 || textIn(text).trim() === '');
  return isWhole && cues.every((cue): cue is Cue => cue.start !== null && cue.end !== null) ? cues : null;
}

/** Seconds; null for what is none. */
function momentIn(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 && value < 1e7 ? value : null;
}

/** An arrow or a blank line inside a cue would end it. */
function cueText({ start, end, text }: Cue, mark: ',' | '.'): string {
  const safe = text.replaceAll('-->', '->').replace(/\s*\n\s*/g, '\n');
  return `${moment(start, mark)} --> ${moment(end, mark)}\n${safe}\n\n`;
}

function moment(seconds: number, mark: ',' | '.'): string {
  const milliseconds = Math.round(seconds * 1_000);
  const whole = Math.floor(milliseconds / 1_000);
  const clock = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60, whole % 60];
  return `${clock.map((part) => padded(part, 2)).join(':')}${mark}${padded(milliseconds % 1_000, 3)}`;
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}
