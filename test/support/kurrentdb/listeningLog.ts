import type { Log } from '../../../services/runtime.ts';

/** A log that keeps what it was told, as text. */
export class ListeningLog implements Log {
  readonly warnings: string[] = [];

  info(): void {
    // Not listened to.
  }

  warn(fields: object, message: string): void {
    const connection = 'connection' in fields && typeof fields.connection === 'string' ? `${fields.connection}: ` : '';
    this.warnings.push(`${connection}${message}`);
  }

  error(_fields: object, message: string): void {
    throw new Error(`an error was logged: ${message}`);
  }
}
