import { formatBytes } from '@starling/shared/durations.ts';
import { Command } from 'commander';
import type { Api } from '../client.ts';
import type { OpenSession, Session } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { timeAgo } from '../terminal/wording.ts';

type Inspected = Awaited<ReturnType<Api['builds']['inspect']['query']>>;

/** `starling build inspect`: what a build is made of, and what of it was new. */
export function inspectBuildCommand(open: OpenSession): Command {
  return new Command('inspect')
    .description('what a build is made of: its sizes, what of it was new, its packs and which builds brought them')
    .argument('<build>', 'its id, such as shop@1a2b3c4d5e6f')
    .action(async (build: string, _options: object, command: Command) => {
      const session = open(command);
      const inspected = await (await session.api()).builds.inspect.query({ id: build });
      session.print(inspected, () => describe(inspected, session));
    });
}

function describe(build: Inspected, { clock, outInk, terminal }: Session): string {
  const nowMs = clock.now();
  const facts = [
    ['size', `${formatBytes(build.streamBytes)} in ${build.fileCount} files, ${build.chunkCount} chunks`],
    ['new', `${(build.newShare * 100).toFixed(1)} %: ${formatBytes(build.newBytes)}, ${build.newChunkCount} chunks`],
    [
      'own pack',
      build.packBytes === 0
        ? 'none'
        : `${formatBytes(build.packBytes)}, of which ${formatBytes(build.patchBytes)} are patches`,
    ],
    ['manifest', formatBytes(build.manifestBytes)],
  ];
  const width = Math.max(...facts.map(([name]) => name!.length));
  const table = formatTable(
    [
      { title: 'PACK' },
      { title: 'SIZE', align: 'right' },
      { title: 'PATCHES', align: 'right' },
      { title: 'BROUGHT BY' },
      { title: 'STORED' },
    ],
    build.packs.map((pack) => [
      pack.digest.slice(0, 16),
      formatBytes(pack.sizeBytes),
      formatBytes(pack.patchBytes),
      pack.broughtBy ?? 'a build that is gone',
      timeAgo(pack.storedAt, nowMs),
    ]),
    { columns: terminal.out.columns, paint: outInk.paint },
  );
  return `${build.id}\n${facts.map(([name, value]) => `  ${name!.padEnd(width)}  ${value}\n`).join('')}\n${table}`;
}
