import { CircleCheck, CircleX, TriangleAlert } from 'lucide-react';
import type { Finding } from '../lib/api.ts';
import { Status } from './status.tsx';

const looks = {
  good: { tone: 'ok', icon: CircleCheck, word: 'Good' },
  warn: { tone: 'warn', icon: TriangleAlert, word: 'Look at it' },
  bad: { tone: 'bad', icon: CircleX, word: 'Bad' },
} as const;
const order = ['bad', 'warn', 'good'] as const;

/** Bad ones first; among equals in the order in which they were looked at. */
export const sortFindings = (findings: readonly Finding[]): Finding[] =>
  [...findings].sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status));

/** What a doctor found, and what mends it. */
export function FindingRows({ findings }: { findings: readonly Finding[] }) {
  return (
    <table className="grid-table">
      <caption className="sr-only">What was found</caption>
      <thead>
        <tr>
          <th scope="col">State</th>
          <th scope="col">What was looked at</th>
          <th scope="col">What was found</th>
        </tr>
      </thead>
      <tbody>
        {findings.map((finding, index) => {
          const { tone, icon, word } = looks[finding.status];
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: a check may find several things, and they come all at once.
            <tr key={`${finding.check}-${index}`}>
              <td className="w-32 !align-top">
                <Status tone={tone} icon={icon}>
                  {word}
                </Status>
              </td>
              <td className="w-56 !align-top font-medium text-ink">{finding.check}</td>
              <td className="!align-top text-ink-2">
                <span className="block break-words">{finding.detail}</span>
                {finding.fix && (
                  <span className="mt-0.5 block break-words text-ink">
                    <span className="font-semibold">What to do: </span>
                    {finding.fix}
                  </span>
                )}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
