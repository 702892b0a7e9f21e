/** A Postgres array of numbers or uuids, which need no quotes; the driver's own way quotes every element. */
export function arrayText(values: readonly (string | number | bigint)[]): string {
  return `{${values.join(',')}}`;
}
