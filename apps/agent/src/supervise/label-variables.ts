/** A machine's labels as environment variables: `STARLING_LABEL_RACK=r1`; what a name may not hold becomes `_`. */
export function labelVariables(labels: Readonly<Record<string, string>>): Record<string, string> {
  const name = (label: string) => `STARLING_LABEL_${label.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`;
  return Object.fromEntries(Object.entries(labels).map(([label, value]) => [name(label), value]));
}
