import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Recycle } from 'lucide-react';
import { toast } from 'sonner';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmButton } from '../../components/confirm-button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Figure } from '../../components/figure.tsx';
import { EmptyState, Loading, Panel } from '../../components/page.tsx';
import { Ago } from '../../components/time.tsx';
import { VirtualRows } from '../../components/virtual-rows.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { formatBytes, plural } from '../../lib/format.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

/** What is past keeping, and sweeping it away before the night does. */
export function RetentionView() {
  const readOnly = useWhyReadOnly();
  const plan = useQuery({ ...api.retention.plan.queryOptions(), staleTime: 60_000 });
  const { data } = plan;
  const error = errorToShow(plan);
  const sweep = useMutation(
    api.retention.sweep.mutationOptions({
      onSuccess: ({ swept, left }) => {
        const freed = swept.reduce((sum, { freedBytes }) => sum + freedBytes, 0);
        toast.success(
          `${plural(swept.length, 'build')} swept, ${formatBytes(freed)} freed${left > 0 ? `; ${left} are left` : ''}.`,
        );
        void plan.refetch();
      },
    }),
  );
  const rows = data?.rows.filter(({ rows: count }) => count > 0) ?? [];
  const nothing = data && data.builds.length + data.unfinished + rows.length === 0;
  return (
    <div className="flex flex-col gap-4">
      <p className="max-w-3xl text-ink-2">
        Each project says in its settings what is kept. What is past that goes every night; what runs, what is about to
        and what may be rolled back to never does.
      </p>
      {error && <ErrorPanel error={error} title="The plan could not be made" onRetry={() => void plan.refetch()} />}
      {sweep.error && <ErrorPanel error={sweep.error} title="The sweep did not end well" />}
      {!data && !error && (
        <Panel flush>
          <Loading rows={4} label="Loading the plan" />
        </Panel>
      )}
      {nothing && (
        <Panel>
          <EmptyState icon={Recycle} title="Nothing is past keeping" />
        </Panel>
      )}
      {data && !nothing && (
        <>
          <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
            <Figure value={data.builds.length.toLocaleString('en')} text="builds past keeping" />
            <Figure value={formatBytes(data.bytesPerStore)} text="would be freed in each store" />
            <Figure value={data.unfinished.toLocaleString('en')} text="expired before, bytes not gone yet" />
            <Figure
              value={rows.reduce((sum, { rows: count }) => sum + count, 0).toLocaleString('en')}
              text={`old rows${rows.length > 0 ? `: ${rows.map(({ name }) => name).join(', ')}` : ''}`}
            />
          </div>
          <Panel
            title="Builds that would go"
            beside={
              <ConfirmButton
                look="danger"
                again="Really sweep now?"
                size="small"
                disabledBecause={readOnly}
                busy={sweep.isPending}
                onConfirm={() => sweep.mutate()}
                icon={<Recycle aria-hidden className="size-3.5" />}
              >
                {sweep.isPending ? 'Sweeping …' : 'Sweep now'}
              </ConfirmButton>
            }
            flush
          >
            {data.builds.length === 0 ? (
              <p className="px-4 py-3 text-ink-2">None.</p>
            ) : (
              <VirtualRows
                rows={data.builds}
                keyOf={({ id }) => id}
                label="Builds past keeping"
                maxHeight="24rem"
                columns="minmax(14rem,2fr) minmax(8rem,1fr) 8rem 7rem"
                head={['Build', 'Project', 'Built', 'Bytes']}
              >
                {(build) => ({
                  cells: [
                    <Link
                      key="id"
                      to="/builds/$id"
                      params={{ id: build.id }}
                      className="link block truncate py-0.5 font-mono text-xs text-ink"
                    >
                      {build.id}
                    </Link>,
                    <span key="project" className="block truncate">
                      {build.project}
                    </span>,
                    <span key="age" className="text-xs text-ink-2">
                      <Ago at={build.createdAt} />
                    </span>,
                    <span key="bytes" className="text-xs text-ink-2">
                      {formatBytes(build.bytes)}
                    </span>,
                  ],
                })}
              </VirtualRows>
            )}
          </Panel>
        </>
      )}
      <div className="grid gap-2 md:grid-cols-2">
        <CliLine command={cli.collect(true)} />
        <CliLine command={cli.collect(false)} />
      </div>
    </div>
  );
}
