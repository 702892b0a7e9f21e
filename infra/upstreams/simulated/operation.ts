import type { z } from 'zod';
import { ApiError } from '../../../services/http/errors.ts';
import {
  isFile,
  readForm,
  type Form,
  type FormPart,
  type FormText,
} from '../../../services/relay/operations/form/form.ts';
import type { Behaviour, BehaviourDefaults } from './directives.ts';
import { badRequest, directed, type Prepared } from './prepared.ts';

export interface SimulatedBody {
  readonly bytes: Buffer;
  readonly contentType: string | undefined;
}

/** What one path does with a body. The same body always leads to the same answer. */
export type Operation = (body: SimulatedBody, defaults: BehaviourDefaults) => Prepared;

interface Rules<Request> {
  /** As much of a request as the simulation looks at. */
  readonly schema: z.ZodType<Request>;
  /** The text that may hold directives. */
  readonly said: (request: Request) => string;
  /** `rest`: what was said, without directives. */
  readonly answer: (request: Request, behaviour: Behaviour, rest: string) => Prepared;
}

export function jsonOperation<Request extends object>(rules: Rules<Request>): Operation {
  return ({ bytes }, defaults) => followed(rules, readJson(bytes.toString('utf8')), defaults);
}

/** Files of a field come as a list of their bytes, whatever their number. */
export function formOperation<Request extends object>(rules: Rules<Request>): Operation {
  return ({ bytes, contentType }, defaults) => followed(rules, readFields(bytes, contentType), defaults);
}

/** `read`: a body, or what is wrong with it. */
function followed<Request extends object>(
  { schema, said, answer }: Rules<Request>,
  read: Read,
  defaults: BehaviourDefaults,
): Prepared {
  if (!read.ok) return badRequest(read.problem);
  const parsed = schema.safeParse(read.body);
  if (parsed.success) {
    const request = parsed.data;
    return directed(said(request), defaults, (behaviour, rest) => answer(request, behaviour, rest));
  }
  const [issue] = parsed.error.issues;
  return badRequest(`${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'not valid'}`);
}

type Read = { readonly ok: true; readonly body: unknown } | { readonly ok: false; readonly problem: string };

function readJson(text: string): Read {
  try {
    return { ok: true, body: JSON.parse(text) };
  } catch (error) {
    const problem = error instanceof Error ? error.message.slice(0, 100) : 'unreadable';
    return { ok: false, problem: `The body is not JSON: ${problem}` };
  }
}

function readFields(bytes: Buffer, contentType: string | undefined): Read {
  try {
    return { ok: true, body: fieldsOf(readForm(bytes, contentType)) };
  } catch (error) {
    if (error instanceof ApiError) return { ok: false, problem: error.message };
    throw error;
  }
}

/** Fields whose text stands for a number or a truth. */
const TYPED: ReadonlySet<string> = new Set(['n', 'partial_images', 'stream']);

/** A form as the object that JSON would be. A field spelled as a list is one; of two that are not, the last one holds. */
function fieldsOf(form: Form): object {
  const texts = form.filter(isText).map((part): [string, unknown] => [part.name, valueOf(part)]);
  const isList = ([name]: readonly [string, unknown]) => name.endsWith('[]');
  const lists = Map.groupBy(texts.filter(isList), ([name]) => bare(name));
  const files = Map.groupBy(form.filter(isFile), ({ name }) => bare(name));
  return Object.fromEntries([
    ...texts.filter((text) => !isList(text)),
    ...[...lists].map(([name, items]): [string, unknown] => [name, items.map(([, value]) => value)]),
    ...[...files].map(([name, parts]): [string, unknown] => [name, parts.map((part) => part.bytes)]),
  ]);
}

function isText(part: FormPart): part is FormText {
  return !isFile(part);
}

function valueOf({ name, value }: FormText): unknown {
  return TYPED.has(name) && /^(0|[1-9]\d{0,8}|true|false)$/.test(value) ? JSON.parse(value) : value;
}

function bare(name: string): string {
  return name.replace(/\[.*$/, '');
}
