const MAX_CHARACTERS = 100;
const MAX_EXTENSION = 10;

/**
 * The base name of a file as ASCII letters, digits, dots, dashes and underscores, at most 100 of them. Its extension
 * stays, for providers tell formats by it.
 */
export function safeFileName(stated: string): string {
  const base = stated.slice(Math.max(stated.lastIndexOf('/'), stated.lastIndexOf('\\')) + 1);
  const safe = base.replace(/[^\w.-]+/g, '_').replace(/^\.+/, '');
  if (safe === '') return 'file';
  if (safe.length <= MAX_CHARACTERS) return safe;
  const dot = safe.lastIndexOf('.');
  const extension = dot >= safe.length - MAX_EXTENSION ? safe.slice(dot) : '';
  return safe.slice(0, MAX_CHARACTERS - extension.length) + extension;
}
