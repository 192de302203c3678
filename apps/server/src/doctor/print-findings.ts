import type { Finding } from '@starling/shared/findings.ts';

const words = { good: 'ok', warn: 'warn', bad: 'fail' } as const;

/** Findings as lines for a person: what was found, and below it what to do. */
export function findingsText(findings: readonly Finding[]): string {
  const widest = Math.max(0, ...findings.map(({ check }) => check.length));
  return findings
    .map(({ check, status, detail, fix }) => {
      const line = `${words[status].padEnd(4)}  ${check.padEnd(widest)}  ${detail}\n`;
      return fix ? `${line}${' '.repeat(widest + 8)}${fix}\n` : line;
    })
    .join('');
}
