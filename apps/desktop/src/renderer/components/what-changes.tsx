import { useQuery } from '@tanstack/react-query';
import { GitCommitHorizontal } from 'lucide-react';
import { useState } from 'react';
import { api, type Diff } from '../lib/api.ts';
import { cli } from '../lib/cli-lines.ts';
import { errorToShow } from '../lib/errors.ts';
import { authorName, formatBytes, plural, shortBuild } from '../lib/format.ts';
import { Button } from './button.tsx';
import { CliLine } from './cli-line.tsx';
import { ErrorPanel } from './error-panel.tsx';
import { Loading } from './page.tsx';
import { Sha } from './sha.tsx';
import { Ago } from './time.tsx';

const fewCommits = 5;
const fewFiles = 8;
type Change = NonNullable<Diff['tree']>['files'][number]['change'];
const changeLooks: Record<Change, { sign: string; word: string; ink: string }> = {
  added: { sign: '+', word: 'added', ink: 'text-ok' },
  removed: { sign: '−', word: 'removed', ink: 'text-bad' },
  changed: { sign: '~', word: 'changed', ink: 'text-busy' },
  unsure: { sign: '?', word: 'perhaps changed', ink: 'text-warn' },
};

/** What changes when machines go from one build to another: commits with their authors, files, bytes. */
export function WhatChanges({ project, from, to }: { project: string; from: string; to: string }) {
  const read = useQuery(api.builds.diff.queryOptions({ project, from, to }));
  const { data: diff, refetch } = read;
  const error = errorToShow(read);
  return (
    <div className="flex flex-col gap-3" data-testid="what-changes">
      {error && <ErrorPanel error={error} title="What changes could not be read" onRetry={() => void refetch()} />}
      {!diff && !error && <Loading rows={3} label="Loading what changes" />}
      {diff && (
        <>
          <Commits title="more" list={diff.added} />
          <Commits title="less" list={diff.removed} />
          {diff.added.commits.length === 0 && diff.removed.commits.length === 0 && (
            <p className="text-ink-2">
              {diff.added.isCut || diff.removed.isCut
                ? 'Which commits lie between them is not known.'
                : 'Both are of the same commit.'}
            </p>
          )}
          {diff.tree ? (
            <Files tree={diff.tree} />
          ) : (
            <p className="text-ink-3">Its files cannot be told: {diff.noTreeBecause}</p>
          )}
          <div className="max-w-xl">
            <CliLine command={cli.diff(from, to)} />
          </div>
        </>
      )}
    </div>
  );
}

/** The same, read only once somebody wants to see it. */
export function WhatChangesFold({ project, from, to }: { project: string; from: string; to: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details
      className="rounded-lg border border-line px-3.5 py-2"
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary className="cursor-pointer text-ink-2">
        <span className="font-medium text-ink">What changes</span> from {shortBuild(from)} to {shortBuild(to)}
      </summary>
      {isOpen && (
        <div className="mt-2">
          <WhatChanges project={project} from={from} to={to} />
        </div>
      )}
    </details>
  );
}

function Commits({ title, list }: { title: 'more' | 'less'; list: Diff['added'] }) {
  const [all, setAll] = useState(false);
  const { commits, isCut } = list;
  if (commits.length === 0) return null;
  const shown = all ? commits : commits.slice(0, fewCommits);
  return (
    <div>
      <p className="mb-1 text-xs font-semibold text-ink">
        {isCut && 'at least '}
        {plural(commits.length, 'commit')} {title}
      </p>
      <ul className="flex flex-col gap-1" aria-label={`Commits ${title}`}>
        {shown.map(({ sha, subject, author, committedAt }) => (
          <li key={sha} className="flex min-w-0 items-baseline gap-2">
            <GitCommitHorizontal
              aria-hidden
              className={`size-3.5 shrink-0 self-center ${title === 'more' ? 'text-ok' : 'text-bad'}`}
            />
            <span className="min-w-0 flex-1">
              <span className="block truncate text-ink" title={subject}>
                {subject}
              </span>
              <span className="flex flex-wrap items-center gap-x-3 text-xs text-ink-3">
                <Sha sha={sha} />
                <span>
                  {authorName(author)}, <Ago at={committedAt} />
                </span>
              </span>
            </span>
          </li>
        ))}
      </ul>
      {commits.length > shown.length && (
        <Button size="small" look="quiet" onClick={() => setAll(true)}>
          Show {commits.length - shown.length} more
        </Button>
      )}
    </div>
  );
}

function Files({ tree }: { tree: NonNullable<Diff['tree']> }) {
  const [all, setAll] = useState(false);
  const { counts, files, bytesBefore, bytesAfter, bytesNew } = tree;
  const shown = all ? files : files.slice(0, fewFiles);
  const changes = counts.added + counts.removed + counts.changed + counts.unsure;
  return (
    <div>
      <p className="mb-1 text-xs text-ink-2">
        <span className="font-semibold text-ink">{plural(changes, 'file')}</span>: {counts.added} added,{' '}
        {counts.removed} removed, {counts.changed} changed{counts.unsure > 0 && `, ${counts.unsure} perhaps changed`};{' '}
        {counts.same} the same. {formatBytes(bytesBefore)} → {formatBytes(bytesAfter)}, of which {formatBytes(bytesNew)}{' '}
        new.
      </p>
      {shown.length > 0 && (
        <ul className="flex flex-col gap-0.5 font-mono text-xs" aria-label="Files">
          {shown.map(({ path, change, sizeBefore, sizeAfter }) => {
            const { sign, word, ink } = changeLooks[change];
            const sizes = [
              ...new Set([sizeBefore, sizeAfter].flatMap((size) => (size === null ? [] : [formatBytes(size)]))),
            ];
            return (
              <li key={path} className="flex min-w-0 gap-2">
                <span className={`w-3 shrink-0 ${ink}`}>
                  <span aria-hidden>{sign}</span>
                  <span className="sr-only">{word}</span>
                </span>
                <span className="min-w-0 flex-1 truncate text-ink" title={path}>
                  {path}
                </span>
                <span className="shrink-0 text-ink-3">{sizes.join(' → ')}</span>
              </li>
            );
          })}
        </ul>
      )}
      {files.length > shown.length && (
        <Button size="small" look="quiet" onClick={() => setAll(true)}>
          Show {files.length - shown.length} more
        </Button>
      )}
      {all && changes > files.length && (
        <p className="text-xs text-ink-3">and {plural(changes - files.length, 'file')} more</p>
      )}
    </div>
  );
}
