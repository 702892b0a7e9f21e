export const FEATURES = [
  'text',
  'stream',
  'tools',
  'tools streamed',
  'two tools',
  'result',
  'result streamed',
  'length',
  'image',
  'thinking',
  'thinking streamed',
  '400',
  '401',
  '429',
  '500',
  'broken',
  'abort',
] as const;
export type Feature = (typeof FEATURES)[number];

export const TOOL_FEATURES: readonly Feature[] = ['tools', 'tools streamed', 'two tools', 'result', 'result streamed'];
