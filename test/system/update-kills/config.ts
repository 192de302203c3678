/** The seeds to try: as many as STARLING_KILL_SEEDS says, a few without it. */
export function seedsFromEnvironment(environment: NodeJS.ProcessEnv = process.env): number[] {
  const count = Number(environment.STARLING_KILL_SEEDS ?? 4);
  return Array.from({ length: count }, (_, index) => index + 1);
}
