import { Command } from 'cmdk';
import { Check, Search } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { Tag } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import type { Version } from '../../lib/api.ts';
import { authorName, shortBuild } from '../../lib/format.ts';
import { firstChoice, matchesVersion, whyNotPickable } from './versions.ts';

/** A list to choose a version from with arrows and Enter. Those that are not eligible say why and are passed over. */
export function VersionPicker({
  versions,
  chosen,
  onChoose,
}: {
  versions: readonly Version[];
  chosen: string | null;
  onChoose: (id: string) => void;
}) {
  const [query, setQuery] = useState('');
  const [highlighted, setHighlighted] = useState(chosen ?? firstChoice(versions) ?? '');
  const input = useRef<HTMLInputElement>(null);
  const shown = versions.filter((version) => matchesVersion(version, query));
  useEffect(() => {
    if (chosen) return;
    // In the next frame: the dialog around it first notes where the focus was, to give it back.
    const frame = requestAnimationFrame(() => input.current?.focus());
    return () => cancelAnimationFrame(frame);
  }, [chosen]);
  return (
    <Command
      label="Versions"
      shouldFilter={false}
      value={highlighted}
      onValueChange={setHighlighted}
      className="overflow-hidden rounded-lg border border-line bg-surface"
    >
      <div className="rounded-t-md outline-accent focus-within:outline-2 focus-within:-outline-offset-1 flex items-center gap-2 border-b border-line px-3">
        <Search aria-hidden className="size-3.5 text-ink-3" />
        <Command.Input
          ref={input}
          value={query}
          onValueChange={setQuery}
          placeholder="Find by SHA, subject or author"
          className="h-9 min-w-0 flex-1 bg-transparent text-sm outline-none"
        />
      </div>
      <Command.List label="Versions, newest first" className="max-h-64 overflow-y-auto p-1">
        {shown.length === 0 && (
          <Command.Empty className="px-3 py-4 text-center text-ink-2">No version matches.</Command.Empty>
        )}
        {shown.map((version) => {
          const because = whyNotPickable(version);
          return (
            <Command.Item
              key={version.id}
              value={version.id}
              disabled={because !== null}
              onSelect={() => onChoose(version.id)}
              className="flex cursor-pointer items-center gap-3 rounded-md px-2.5 py-1.5 aria-disabled:cursor-not-allowed data-[selected=true]:bg-accent-soft"
            >
              <span className="flex size-4 shrink-0 items-center justify-center">
                {chosen === version.id && <Check aria-hidden className="size-4 text-accent" />}
              </span>
              <span className="w-18 shrink-0 font-mono text-xs text-ink">{shortBuild(version.id)}</span>
              <span className="min-w-0 flex-1">
                <span className="flex items-center gap-2">
                  <span className={`truncate ${because ? 'text-ink-2' : 'text-ink'}`}>{version.commitSubject}</span>
                  {version.current && <Tag tone="accent">current</Tag>}
                  {version.lastGood && <Tag tone="ok">last good</Tag>}
                  {version.quarantined !== null && <Tag tone="warn">in quarantine</Tag>}
                  {!version.lastGood && !version.current && version.proven && <Tag>ran well</Tag>}
                </span>
                <span className="block truncate text-xs text-ink-2">
                  {authorName(version.commitAuthor)}
                  {because && !version.current && <span> – not eligible: {because}</span>}
                </span>
              </span>
              <span className="shrink-0 text-xs text-ink-2">
                <Ago at={version.createdAt} />
              </span>
            </Command.Item>
          );
        })}
      </Command.List>
    </Command>
  );
}
