import { projectName, sha256Hex } from '@starling/shared/words.ts';
import { z } from 'zod';
import { readAudit, verifyAudit } from '../audit/read.ts';
import { everywhere, ofProjectOrAll } from './scopes.ts';
import { needs, router } from './trpc.ts';

const time = z.iso.datetime({ offset: true });

export const auditRouter = router({
  /** Every change, newest first; without a project those of all, and of all of Starling. */
  list: needs('administer', ofProjectOrAll)
    .input(
      z.object({
        project: projectName.optional(),
        actor: z.string().max(200).optional(),
        /** For example `deployment.start`. */
        action: z.string().max(100).optional(),
        from: time.optional(),
        to: time.optional(),
        /** The id of the last one of the page before. */
        before: z.number().int().positive().optional(),
        limit: z.number().int().min(1).max(500).default(50),
      }),
    )
    .query(({ ctx, input }) => {
      const { from, to, before, limit, ...filter } = input;
      const times = { from: from ? new Date(from) : undefined, to: to ? new Date(to) : undefined };
      return ctx.reader.read((database) => readAudit(database, { ...filter, ...times }, { before, limit }));
    }),

  /** Recomputes the chain: how many rows fit, and the first that does not; `known` is a row that was noted down before. */
  verify: needs('administer', everywhere)
    .input(z.object({ known: z.object({ id: z.number().int().positive(), hash: sha256Hex }).optional() }).default({}))
    .query(({ ctx, input }) => verifyAudit(ctx.database, input.known)),
});
