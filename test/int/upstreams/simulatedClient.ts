import OpenAI from 'openai';
import { onTestFinished } from 'vitest';
import {
  startSimulatedUpstream,
  type SimulatedUpstream,
} from '../../../infra/upstreams/simulated/simulatedUpstream.ts';

/** A simulated upstream that lives as long as the test, and the official client pointed straight at it. */
export async function simulatedClient(): Promise<{ simulated: SimulatedUpstream; client: OpenAI }> {
  const simulated = await startSimulatedUpstream();
  onTestFinished(() => simulated.close());
  return { simulated, client: new OpenAI({ baseURL: simulated.baseUrl, apiKey: 'none', maxRetries: 0 }) };
}

/** Posts an object as JSON, and a form as one. */
export function post(
  simulated: SimulatedUpstream,
  path: string,
  body: object,
  signal?: AbortSignal,
): Promise<Response> {
  const isForm = body instanceof FormData;
  return fetch(`${simulated.baseUrl}${path}`, {
    method: 'POST',
    headers: isForm ? {} : { 'content-type': 'application/json' },
    body: isForm ? body : JSON.stringify(body),
    signal: signal ?? null,
  });
}

/** Texts and files of a form; a list gives its field several times. */
export function formOf(fields: Readonly<Record<string, string | File | readonly string[]>>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    for (const item of typeof value === 'string' || value instanceof File ? [value] : value) form.append(name, item);
  }
  return form;
}

/** The events of a stream: name and data. */
export function eventsIn(text: string): { name: string; data: Record<string, unknown> }[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const [name = '', data = ''] = block.split('\n');
      return {
        name: name.replace('event: ', ''),
        data: JSON.parse(data.replace('data: ', '')) as Record<string, unknown>,
      };
    });
}

export async function errorOf(response: Response): Promise<{ status: number; error: unknown }> {
  const { error } = (await response.json()) as { error: unknown };
  return { status: response.status, error };
}
