import { useQuery } from '@tanstack/react-query';
import { RefreshCw } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { FindingRows, sortFindings } from '../../components/finding-rows.tsx';
import { Loading, Page, Panel } from '../../components/page.tsx';
import { Ago } from '../../components/time.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useTitle } from '../../lib/hooks.ts';

/** Looks at every part the server works with; what is wrong comes first, each with what mends it. */
export function DoctorPage() {
  useTitle('Doctor');
  // Each look asks stores and databases to do something: once when the page opens, and when somebody asks.
  const read = useQuery({ ...api.doctor.run.queryOptions(), staleTime: 60_000 });
  const { data, isFetching, dataUpdatedAt, refetch } = read;
  const error = errorToShow(read);
  const bad = data?.filter(({ status }) => status === 'bad').length ?? 0;
  const warn = data?.filter(({ status }) => status === 'warn').length ?? 0;
  return (
    <Page
      title="Doctor"
      below={
        data && (
          <>
            {bad + warn === 0
              ? `All ${data.length} checks are good`
              : `${plural(bad, 'check is', 'checks are')} bad, ${warn} should be looked at, ${data.length - bad - warn} are good`}
            , looked at <Ago at={new Date(dataUpdatedAt).toISOString()} />
          </>
        )
      }
      actions={
        <Button
          busy={isFetching}
          onClick={() => void refetch()}
          icon={<RefreshCw aria-hidden className={`size-3.5 ${isFetching ? 'spin' : ''}`} />}
        >
          {isFetching ? 'Looking …' : 'Look again'}
        </Button>
      }
    >
      {error && <ErrorPanel error={error} title="The doctor could not look" onRetry={() => void refetch()} />}
      {!data && !error && (
        <Panel flush>
          <Loading rows={8} label="Loading what the doctor finds" />
        </Panel>
      )}
      {data && (
        <Panel flush>
          <FindingRows findings={sortFindings(data)} />
        </Panel>
      )}
      <div className="flex max-w-xl flex-col gap-2">
        <CliLine command={cli.doctor()} />
        <p className="text-xs text-ink-3">
          In a terminal the way to the server is looked at as well: names, certificates, clock and token.
        </p>
      </div>
    </Page>
  );
}
