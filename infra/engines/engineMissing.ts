export type EngineName = 'postgres' | 'redis' | 'kafka';

/** An engine cannot be had on this machine; the message says what is needed. */
export class EngineMissing extends Error {
  readonly engine: EngineName;

  constructor(engine: EngineName, needed: string, options?: ErrorOptions) {
    super(`${engine} is missing: ${needed}`, options);
    this.name = 'EngineMissing';
    this.engine = engine;
  }
}
