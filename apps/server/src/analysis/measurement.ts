import type { CheckVerdict } from '@starling/shared/rollout-checks.ts';

/** What came of measuring once. */
export interface Measurement {
  verdict: CheckVerdict;
  /** What was measured and why that means what it does, in a sentence without a full stop. */
  detail: string;
}

/** What checks may say of the deployment that they are made for. */
export interface CheckedDeployment {
  id: number;
  project: string;
  build: string;
  commitSha: string;
  previousBuild: string | null;
}

/** Puts the deployment in place of `{{project}}`, `{{build}}` and the like. None of them has a character with a meaning elsewhere. */
export function fillIn(text: string, { id, project, build, commitSha, previousBuild }: CheckedDeployment): string {
  const words: Record<string, string> = {
    deployment: String(id),
    project,
    build,
    commit: commitSha,
    previousBuild: previousBuild ?? '',
  };
  return text.replace(/\{\{\s*(\w+)\s*\}\}/g, (whole, word: string) =>
    Object.hasOwn(words, word) ? words[word]! : whole,
  );
}
