import { Link } from '@tanstack/react-router';
import { TriangleAlert } from 'lucide-react';
import { Panel } from '../../components/page.tsx';
import { Tag } from '../../components/status.tsx';
import type { RegionState } from '../../lib/api.ts';
import { formatAge, shortBuild } from '../../lib/format.ts';
import { useNow } from '../../lib/hooks.ts';

type Key = RegionState['keys'][number];

/** What the version keys say, project by region: the signed word that machines follow. */
export function KeyTable({ regions }: { regions: readonly RegionState[] }) {
  const projects = [...new Set(regions.flatMap(({ keys }) => keys.map(({ project }) => project)))].sort();
  if (projects.length === 0) return null;
  return (
    <Panel
      title="What the version keys say"
      beside={<span className="text-xs text-ink-3">machines follow these, and never a lower number</span>}
      flush
    >
      <table className="grid-table">
        <caption className="sr-only">Version keys by project and region</caption>
        <thead>
          <tr>
            <th scope="col">Project</th>
            {regions.map(({ region, keysError }) => (
              <th scope="col" key={region}>
                <span className="font-mono text-xs text-ink">{region}</span>
                {keysError && (
                  <span className="ml-2 inline-flex items-center gap-1 font-normal text-warn">
                    <TriangleAlert aria-hidden className="size-3" />
                    as written last
                  </span>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {projects.map((project) => (
            <tr key={project}>
              <th scope="row" className="!font-normal">
                <Link to="/projects/$project" params={{ project }} className="link text-sm text-ink">
                  {project}
                </Link>
              </th>
              {regions.map(({ region, keys }) => (
                <td key={region} className="text-xs">
                  <KeyCell said={keys.find((key) => key.project === project)} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function KeyCell({ said }: { said: Key | undefined }) {
  const now = useNow();
  if (!said) return <span className="text-ink-3">no key</span>;
  const expiresAt = Date.parse(said.expiresAt);
  return (
    <span
      className="block"
      title={`Issued ${new Date(said.issuedAt).toLocaleString()}, valid until ${new Date(said.expiresAt).toLocaleString()}`}
    >
      <span className="flex flex-wrap items-center gap-x-2">
        <span className="font-mono font-semibold text-ink">{said.stable ? shortBuild(said.stable) : '–'}</span>
        {said.candidate && (
          <>
            <span className="font-mono text-ink-2">→ {shortBuild(said.candidate)}</span>
            <Tag tone="accent">candidate</Tag>
          </>
        )}
        {said.quarantined > 0 && <Tag tone="warn">{said.quarantined} quarantined</Tag>}
      </span>
      <span className="block text-ink-3">
        no. {said.sequence}, {formatAge(Date.parse(said.issuedAt), now)}
        {expiresAt < now && <span className="font-semibold text-bad">, expired</span>}
      </span>
    </span>
  );
}
