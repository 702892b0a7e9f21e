import type { z } from 'zod';

/** A pure step from one stored version of a type to the next. */
export interface Upcaster {
  readonly type: string;
  /** The shape that this step reads. */
  readonly from: z.ZodObject<{ version: z.ZodLiteral<number> }>;
  upcast(stored: unknown): Record<string, unknown>;
}
