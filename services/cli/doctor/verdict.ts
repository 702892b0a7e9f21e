/** What the doctor thinks of what a probe saw. `warning` is worth knowing and no failure. */
export interface Verdict {
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly detail: string;
}

export function ok(detail: string): Verdict {
  return { status: 'ok', detail };
}

export function warning(detail: string): Verdict {
  return { status: 'warning', detail };
}

export function failed(detail: string): Verdict {
  return { status: 'failed', detail };
}

export function skipped(detail: string): Verdict {
  return { status: 'skipped', detail };
}
