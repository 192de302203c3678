import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Inbox, Rocket } from 'lucide-react';
import { buttonClass } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { EmptyState, Loading, Page, Panel } from '../../components/page.tsx';
import { api } from '../../lib/api.ts';
import { isMine } from '../../lib/approvals.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useTitle } from '../../lib/hooks.ts';
import { StandingStill, standingStill } from './standing-still.tsx';
import { WaitingRow } from './waiting-row.tsx';

/** Everything that waits: first what waits for this person, then what waits for others or for a time. */
export function ApprovalsPage() {
  useTitle('Approvals');
  const read = useQuery(api.approvals.waiting.queryOptions());
  const { data, refetch } = read;
  const overview = useQuery(api.overview.get.queryOptions());
  const isStill = overview.data !== undefined && standingStill(overview.data).length > 0;
  const error = errorToShow(read);
  const mine = data?.filter(isMine) ?? [];
  const others = data?.filter((deployment) => !isMine(deployment)) ?? [];
  return (
    <Page
      title="Approvals"
      below={
        data &&
        (data.length === 0
          ? 'Nothing waits for anybody'
          : `${plural(data.length, 'deployment waits', 'deployments wait')}, ${mine.length === 0 ? 'none of them for you' : `${mine.length} of them for you`}`)
      }
    >
      {error && <ErrorPanel error={error} title="What waits could not be read" onRetry={() => void refetch()} />}
      {!data && !error && (
        <Panel flush>
          <Loading rows={5} label="Loading what waits" />
        </Panel>
      )}
      {overview.data && <StandingStill overview={overview.data} />}
      {data && data.length === 0 && !isStill && (
        <Panel>
          <EmptyState
            icon={Inbox}
            title="Nothing waits for you"
            action={
              <Link to="/deployments" className={buttonClass()}>
                <Rocket aria-hidden className="size-3.5" />
                See what is under way
              </Link>
            }
          >
            A deployment appears here when its project asks for approval, for a review, or is frozen.
          </EmptyState>
        </Panel>
      )}
      {mine.length > 0 && (
        <Panel title={`For you to decide (${mine.length})`} flush>
          <ul>
            {mine.map((deployment) => (
              <WaitingRow key={deployment.id} deployment={deployment} />
            ))}
          </ul>
        </Panel>
      )}
      {others.length > 0 && (
        <Panel title={`Waits for others, or for its time (${others.length})`} flush>
          <ul>
            {others.map((deployment) => (
              <WaitingRow key={deployment.id} deployment={deployment} />
            ))}
          </ul>
        </Panel>
      )}
      {data && (
        <div className="max-w-md">
          <CliLine command={cli.approvals()} />
        </div>
      )}
    </Page>
  );
}
