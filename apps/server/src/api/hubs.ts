import { hubReport } from '@starling/shared/hub-protocol.ts';
import { foldHubReport } from '../fleet/fold-hub-report.ts';
import { somewhere } from './scopes.ts';
import { needs, router } from './trpc.ts';

export const hubsRouter = router({
  /** What the machines of a region said since the hub's last call. Said twice it changes nothing. */
  report: needs('report', somewhere)
    .input(hubReport)
    .mutation(async ({ ctx, input }) => {
      await foldHubReport(ctx.database, input);
      return { accepted: input.reports.length };
    }),
});
