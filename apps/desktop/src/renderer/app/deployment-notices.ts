import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { toast } from 'sonner';
import { api } from '../lib/api.ts';
import { platform } from '../lib/platform.ts';
import { attentionOf } from './attention.ts';
import { type DeploymentFacts, endedDeployments } from './ended-deployments.ts';

const words: Record<string, string> = {
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
  ABORTED: 'was aborted',
  SUPERSEDED: 'was superseded',
};

/** Tells people when a deployment has ended, natively where they are not looking. */
export function useDeploymentNotices(): void {
  const { data } = useQuery(api.overview.get.queryOptions());
  const before = useRef<readonly DeploymentFacts[] | null>(null);
  useEffect(() => {
    if (!data) return;
    const now = data.projects.flatMap(({ lastDeployment }) => lastDeployment ?? []);
    for (const deployment of endedDeployments(before.current, now)) {
      const title = `${deployment.project}: deployment ${deployment.id} ${words[deployment.status] ?? 'ended'}`;
      const say = deployment.status === 'SUCCEEDED' ? toast.success : toast.error;
      say(title, { description: deployment.outcome ?? undefined });
      if (!document.hasFocus()) {
        platform.notify({ title, body: deployment.outcome ?? '', path: `/deployments/${deployment.id}` });
      }
    }
    before.current = now;
    platform.setAttention(attentionOf(now));
  }, [data]);
}
