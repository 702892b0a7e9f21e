/** What was heard, all of it in one breath. */
export interface Transcript {
  readonly task: 'transcribe' | 'translate';
  readonly language: string;
  readonly text: string;
  /** Whole, at least 1. */
  readonly seconds: number;
  readonly usage: { readonly usage?: object };
}

export function renderJson({ text, usage }: Transcript): string {
  return JSON.stringify({ text, ...usage });
}

/** `withWords`: time stamps of words too, each as long as the others. */
export function renderVerbose({ task, language, text, seconds, usage }: Transcript, withWords: boolean): string {
  const segment = {
    id: 0,
    seek: 0,
    start: 0,
    end: seconds,
    text: ` ${text}`,
    tokens: [],
    temperature: 0,
    avg_logprob: 0,
    compression_ratio: 1,
    no_speech_prob: 0,
  };
  return JSON.stringify({
    task,
    language,
    duration: seconds,
    text,
    ...(withWords && { words: wordsOf(text, seconds) }),
    segments: [segment],
    ...usage,
  });
}

export function renderDiarized({ text, seconds, usage }: Transcript): string {
  const segment = { type: 'transcript.text.segment', id: 'seg_001', start: 0, end: seconds, speaker: 'A', text };
  return JSON.stringify({ task: 'transcribe', duration: seconds, text, segments: [segment], ...usage });
}

export function renderSrt({ text, seconds }: Transcript): string {
  return `1\n${moment(0, ',')} --> ${moment(seconds, ',')}\n${text}\n\n`;
}

export function renderVtt({ text, seconds }: Transcript): string {
  return `WEBVTT\n\n${moment(0, '.')} --> ${moment(seconds, '.')}\n${text}\n\n`;
}

function wordsOf(text: string, seconds: number): object[] {
  const words = text.split(' ');
  const at = (index: number) => Math.round((index * seconds * 100) / words.length) / 100;
  return words.map((word, index) => ({ word, start: at(index), end: at(index + 1) }));
}

/** Whole seconds as `HH:MM:SS` with thousandths. */
function moment(seconds: number, mark: ',' | '.'): string {
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  return `${parts.map((part) => String(part).padStart(2, '0')).join(':')}${mark}000`;
}
