import { agentEnrolment } from '@starling/shared/enrolment.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { hubReport } from '@starling/shared/hub-protocol.ts';
import { z } from 'zod';
import { foldHubReport } from '../fleet/fold-hub-report.ts';
import { enrolAgent } from '../identities/enrol-agent.ts';
import { revokedAfter } from '../identities/revoke.ts';
import type { Caller } from './context.ts';
import { somewhere } from './scopes.ts';
import { needs, router } from './trpc.ts';

const mostRevoked = 1_000;

/** The region of the hub that calls; FORBIDDEN when the call is about another. */
function regionOf(caller: Caller, about?: { region: string; hub?: string }): string {
  if (caller.kind !== 'hub' || caller.region === null) {
    throw new StarlingError('FORBIDDEN', `${caller.name} is no hub of a region.`);
  }
  if (about && about.region !== caller.region) {
    throw new StarlingError('FORBIDDEN', `${caller.name} is of the region ${caller.region}, not ${about.region}.`, {
      field: 'region',
    });
  }
  if (about?.hub !== undefined && about.hub !== caller.name) {
    throw new StarlingError('FORBIDDEN', `${caller.name} speaks for itself alone, not for ${about.hub}.`, {
      field: 'hub',
    });
  }
  return caller.region;
}

export const hubsRouter = router({
  /** What the machines of a region said since the hub's last call. Said twice it changes nothing. */
  report: needs('report', somewhere)
    .input(hubReport)
    .mutation(async ({ ctx, input }) => {
      regionOf(ctx.caller, input);
      await foldHubReport(ctx.database, input);
      return { accepted: input.reports.length };
    }),

  /** Makes an agent of the hub's region known, and answers with its credential. Said twice it answers the same. */
  enrolAgent: needs('enrol-agents', somewhere)
    .input(agentEnrolment)
    .mutation(({ ctx, input }) => {
      regionOf(ctx.caller, input);
      return enrolAgent(ctx.database, ctx.agentCredentials, input, ctx.requestId);
    }),

  /** The agents of the hub's region that were revoked since the one numbered `after`, in order; more when it is full. */
  revokedAgents: needs('report', somewhere)
    .input(z.object({ after: z.number().int().min(0) }))
    .query(async ({ ctx, input }) => {
      const region = regionOf(ctx.caller);
      const revoked = await revokedAfter(ctx.database, region, input.after, mostRevoked);
      return { revoked, isComplete: revoked.length < mostRevoked };
    }),
});
