import { formatBytes } from '@starling/shared/durations.ts';
import { Command, InvalidArgumentError } from 'commander';
import type { Api } from '../client.ts';
import type { OpenSession, Session } from '../session.ts';
import { oneLine } from '../terminal/terminal.ts';
import { counted, timeAgo } from '../terminal/wording.ts';

type Diff = Awaited<ReturnType<Api['builds']['diff']['query']>>;

/** `starling diff`: what changes from one build to another. */
export function diffCommand(open: OpenSession): Command {
  return new Command('diff')
    .description('what changes from one build to another: commits with their authors, files, bytes')
    .argument('<from>', "a build's id", (id: string) => {
      if (/^[^@\s]+@[0-9a-f]/.test(id)) return id;
      throw new InvalidArgumentError('It is a build id such as shop@1a2b3c4d5e6f; list them with: starling builds');
    })
    .argument('<to>', "a build's id, or the first digits of its commit's SHA, of the same project")
    .action(async (from: string, to: string, _options: object, command: Command) => {
      const session = open(command);
      const project = from.split('@')[0]!;
      const diff = await (await session.api()).builds.diff.query({ project, from, to });
      session.print(diff, () => describeDiff(diff, session));
    });
}

const signs = { added: '+', removed: '-', changed: '~', unsure: '?' };
const mostFiles = 50;

function describeDiff({ from, to, added, removed, tree, noTreeBecause }: Diff, { clock }: Session): string {
  const nowMs = clock.now();
  const lines = [`${from} → ${to}`];
  const tell = (sign: string, words: string, { commits, isCut }: Diff['added']) => {
    if (commits.length === 0 && !isCut) return;
    lines.push('', `${isCut ? 'at least ' : ''}${counted(commits.length, 'commit')} ${words}`);
    for (const { sha, subject, author, committedAt } of commits)
      lines.push(
        `${sign} ${sha.slice(0, 12)} ${oneLine(subject)} (${oneLine(author)}, ${timeAgo(committedAt, nowMs)})`,
      );
  };
  tell('+', 'more', added);
  tell('-', 'less', removed);
  if (!tree) return `${[...lines, '', `its files cannot be told: ${oneLine(noTreeBecause ?? '')}`].join('\n')}\n`;
  const { counts, files, bytesBefore, bytesAfter, bytesNew } = tree;
  const kinds = (['added', 'removed', 'changed'] as const).map((kind) => `${counts[kind]} ${kind}`);
  const unsure = counts.unsure > 0 ? `, ${counts.unsure} perhaps changed (?)` : '';
  lines.push(
    '',
    `${kinds.join(', ')}${unsure}, ${counts.same} the same; ${formatBytes(bytesBefore)} → ${formatBytes(bytesAfter)}, of which ${formatBytes(bytesNew)} new`,
  );
  for (const { path, change, sizeBefore, sizeAfter } of files.slice(0, mostFiles)) {
    const sizes = [sizeBefore, sizeAfter].flatMap((size) => (size === null ? [] : [formatBytes(size)]));
    lines.push(`${signs[change]} ${oneLine(path)} (${[...new Set(sizes)].join(' → ')})`);
  }
  const more = counts.added + counts.removed + counts.changed + counts.unsure - Math.min(files.length, mostFiles);
  if (more > 0) lines.push(`  and ${more} more; --json lists up to 500`);
  return `${lines.join('\n')}\n`;
}
