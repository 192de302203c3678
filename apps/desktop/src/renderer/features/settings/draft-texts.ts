// What is typed into the fields of settings, and the way there and back.

let rows = 0;
/** Tells rows apart while they are moved and removed; not saved. */
export const nextRow = (): number => ++rows;

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** `14d`, `90s`: the largest unit that says it exactly. */
export function durationText(milliseconds: number): string {
  const [unit, size] = units.find(([, length]) => milliseconds > 0 && milliseconds % length === 0) ?? ['ms', 1];
  return milliseconds === 0 ? '0s' : `${milliseconds / size}${unit}`;
}

export const listText = (values: readonly string[]) => values.join(', ');
export const labelText = (labels: Readonly<Record<string, string>>) =>
  listText(Object.entries(labels).map(([name, value]) => `${name}=${value}`));

/** A whole number where one was typed; else what was typed, for the schema to refuse. */
export const numberOf = (text: string): unknown =>
  /^-?\d+$/.test(text.trim()) ? Number(text) : text.trim() === '' ? Number.NaN : text;
export const decimalOf = (text: string): unknown => (/^\d*\.?\d+$/.test(text.trim()) ? Number(text) : text);

export const listOf = (text: string): string[] =>
  text
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter(Boolean);

export function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    listOf(text).map((part) => {
      const at = part.indexOf('=');
      return at < 0 ? [part, ''] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    }),
  );
}
