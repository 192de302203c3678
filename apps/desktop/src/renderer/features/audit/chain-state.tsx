import { useQuery } from '@tanstack/react-query';
import { Link2, LoaderCircle, ShieldAlert, ShieldCheck } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Sha } from '../../components/sha.tsx';
import { Ago } from '../../components/time.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { plural } from '../../lib/format.ts';

/** A log of this many rows is verified in a moment; a longer one only when somebody asks. */
const quickRows = 20_000;

/** Whether every row still fits the one before. `newest`: the last row's number, once it is known. */
export function ChainState({ newest }: { newest: number | undefined }) {
  const verify = useQuery({
    ...api.audit.verify.queryOptions({}),
    enabled: newest !== undefined && newest <= quickRows,
    // Verified again when somebody asks: each time it reads the whole log.
    staleTime: Number.POSITIVE_INFINITY,
  });
  const { data, error, isFetching, refetch, dataUpdatedAt } = verify;
  const again = (
    <Button size="small" busy={isFetching} onClick={() => void refetch()}>
      {data || error ? 'Verify again' : 'Verify now'}
    </Button>
  );
  if (error && !isFetching) {
    return <ErrorPanel error={error} title="The log could not be verified" onRetry={() => void refetch()} />;
  }
  const state = isFetching ? 'busy' : !data ? 'unknown' : data.defect ? 'broken' : 'whole';
  const looks = {
    busy: { box: 'border-line bg-surface', icon: <LoaderCircle aria-hidden className="spin size-5 text-busy" /> },
    unknown: { box: 'border-line bg-surface', icon: <Link2 aria-hidden className="size-5 text-ink-3" /> },
    broken: { box: 'border-bad-bar/50 bg-bad-soft', icon: <ShieldAlert aria-hidden className="size-5 text-bad" /> },
    whole: { box: 'border-line bg-surface', icon: <ShieldCheck aria-hidden className="size-5 text-ok" /> },
  }[state];
  return (
    <section
      aria-label="State of the log"
      className={`flex flex-wrap items-center gap-x-4 gap-y-2 rounded-[10px] border px-4 py-2.5 shadow-low ${looks.box}`}
    >
      {looks.icon}
      <div className="min-w-0 flex-1 basis-80" role="status">
        {state === 'busy' && (
          <p className="font-medium text-ink">Every row is being checked against the one before …</p>
        )}
        {state === 'unknown' && (
          <p className="text-ink-2">
            The log was not verified yet{newest !== undefined && `: it has ${plural(newest, 'row')}`}.
          </p>
        )}
        {state === 'whole' && data && (
          <>
            <p className="font-medium text-ink">The log is whole: {plural(data.checked, 'row fits', 'rows fit')}</p>
            <p className="text-xs text-ink-2">
              Verified <Ago at={new Date(dataUpdatedAt).toISOString()} />. Note down where it ends, to prove later that
              it was not written anew:{' '}
              <Sha
                sha={`${data.end.id}:${data.end.hash}`}
                text={`${data.end.id}:${data.end.hash.slice(0, 12)}…`}
                what="end"
              />
            </p>
          </>
        )}
        {state === 'broken' && data?.defect && (
          <>
            <p className="font-semibold text-bad">The log was altered: it does not fit from row {data.defect.id} on</p>
            <p className="text-ink">
              {data.defect.what}. {plural(data.checked, 'row')} before it fit.
            </p>
          </>
        )}
      </div>
      <span className="hidden w-56 lg:block">
        <CliLine command={cli.auditVerify()} />
      </span>
      {again}
    </section>
  );
}
