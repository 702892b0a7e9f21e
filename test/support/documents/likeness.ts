/**
 * Where an answer is not like a document's sample: the paths of members that it lacks or has of another type. It may
 * have more members. The elements of a list must each be like the sample's first.
 */
export function differences(answer: unknown, sample: unknown, path = ''): readonly string[] {
  if (typeOf(answer) !== typeOf(sample)) return [`${path}: ${typeOf(answer)}, not ${typeOf(sample)}`];
  if (Array.isArray(answer) && Array.isArray(sample)) {
    return answer.flatMap((element, index) => differences(element, sample[0], `${path}[${String(index)}]`));
  }
  if (typeOf(sample) !== 'object') return [];
  const members = Object.entries(sample as Readonly<Record<string, unknown>>);
  return members.flatMap(([name, value]) =>
    differences((answer as Readonly<Record<string, unknown>>)[name], value, `${path}.${name}`),
  );
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  return value === null ? 'null' : typeof value;
}
