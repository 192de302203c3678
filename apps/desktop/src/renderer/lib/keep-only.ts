/**
 * Takes from `known` what belongs to none of `rows`. Only once it holds twice as many as there are rows: so it costs little
 * each time, and never holds more than that.
 */
export function keepOnly<Row>(
  known: Map<PropertyKey | bigint, unknown>,
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): void {
  if (known.size <= 2 * rows.length) return;
  const present = new Set<PropertyKey | bigint>(rows.map(keyOf));
  for (const key of known.keys()) if (!present.has(key)) known.delete(key);
}
