import type { ProcessBook } from '../processes/process-book.ts';
import { runGit } from './git.ts';
import type { RecordedCommit } from './ports.ts';

const most = 200;
const separator = '\u001e';

/** A commit and those before it, as far as somebody may want to see what changed between two builds: 200 at most. */
export async function recentCommits(
  folder: string,
  sha: string,
  options: { signal?: AbortSignal; processes?: ProcessBook } = {},
): Promise<RecordedCommit[]> {
  const format = `--format=%H%x00%P%x00%an%x00%ct%x00%s%x1e`;
  const text = await runGit(['-C', folder, 'log', `--max-count=${most}`, format, sha], {
    ...options,
    timeoutMs: 60_000,
  });
  return text
    .split(separator)
    .map((entry) => entry.trimStart().split('\0'))
    .flatMap(([id, parents, author, seconds, subject]) => {
      if (!id || seconds === undefined) return [];
      return [
        {
          sha: id,
          parents: (parents ?? '').split(' ').filter(Boolean),
          author: (author ?? '').slice(0, 200),
          subject: (subject ?? '').slice(0, 500),
          committedAt: new Date(Number(seconds) * 1_000),
        },
      ];
    });
}
