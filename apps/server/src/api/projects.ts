import { StarlingError } from '@starling/shared/errors.ts';
import { projectName } from '@starling/shared/words.ts';
import { asc, eq } from 'drizzle-orm';
import { z } from 'zod';
import { projects } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Queryable } from '../db/connect.ts';
import { adminProcedure, router, viewerProcedure } from './trpc.ts';

/** The project of this name; NOT_FOUND, with the names there are, when there is none. */
export async function findProject(database: Queryable, name: string) {
  const [project] = await database.select().from(projects).where(eq(projects.name, name));
  if (project) return project;
  const others = await database.select({ name: projects.name }).from(projects).orderBy(asc(projects.name)).limit(10);
  throw new StarlingError('NOT_FOUND', `There is no project "${name}".`, {
    field: 'project',
    fix:
      others.length > 0
        ? `Projects: ${others.map((other) => other.name).join(', ')}.`
        : 'Add it with: starling project add <name> <repository>',
  });
}

export const projectsRouter = router({
  list: viewerProcedure.query(({ ctx }) => ctx.database.select().from(projects).orderBy(asc(projects.name))),

  add: adminProcedure
    .input(
      z.object({
        name: projectName,
        repositoryUrl: z.string().trim().min(1).max(2_000),
        defaultRef: z.string().trim().min(1).max(255).optional(),
        binaryName: z
          .string()
          .regex(
            /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
            'a binary name is letters, digits, dots, hyphens and underscores',
          )
          .optional(),
      }),
    )
    .mutation(async ({ ctx, input }) => {
      const defaultRef = input.defaultRef ?? 'HEAD';
      // Asked now, while the person who typed the URL is there to mend it.
      await ctx.resolveRef(input.repositoryUrl, defaultRef);
      return ctx.database.transaction(async (tx) => {
        const [project] = await tx
          .insert(projects)
          .values({
            name: input.name,
            repositoryUrl: input.repositoryUrl,
            defaultRef,
            binaryName: input.binaryName ?? input.name,
            createdBy: ctx.caller.name,
          })
          .onConflictDoNothing()
          .returning();
        if (!project) {
          throw new StarlingError('CONFLICT', `There is a project "${input.name}" already.`, {
            field: 'name',
            fix: 'Choose another name.',
          });
        }
        await announce(tx, 'projects');
        return project;
      });
    }),
});
