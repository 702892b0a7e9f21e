/** We neither keep nor know the files of a model. */
const UNKNOWN_INSTANT = '1970-01-01T00:00:00Z';
const UNKNOWN_DETAILS = {
  parent_model: '',
  format: '',
  family: '',
  families: [] as readonly string[],
  parameter_size: '',
  quantization_level: '',
} as const;

export interface OllamaTags {
  readonly models: readonly {
    readonly name: string;
    readonly model: string;
    readonly modified_at: string;
    readonly size: number;
    readonly digest: string;
    readonly details: typeof UNKNOWN_DETAILS;
  }[];
}

/** The list of models as Ollama's `/api/tags` has it. */
export function ollamaTags(models: readonly string[]): OllamaTags {
  return {
    models: models.map((name) => ({
      name,
      model: name,
      modified_at: UNKNOWN_INSTANT,
      size: 0,
      digest: '',
      details: UNKNOWN_DETAILS,
    })),
  };
}
