import { StarlingError } from '@starling/shared/errors.ts';
import {
  type ProjectSettings,
  projectSettings,
  settingsOf,
  type WrittenProjectSettings,
} from '@starling/shared/project-settings.ts';
import { projectName } from '@starling/shared/words.ts';
import { asc, eq, getTableColumns } from 'drizzle-orm';
import { z } from 'zod';
import { projects } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import { announce } from '../db/changes.ts';
import type { Queryable } from '../db/connect.ts';
import { everywhere, ofProject, somewhere, visibleIn } from './scopes.ts';
import { needs, router } from './trpc.ts';

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

/** What everybody may see of a project: its settings may hold secrets. */
export const { settings: _settings, ...projectColumns } = getTableColumns(projects);

export const projectsRouter = router({
  list: needs('view', somewhere).query(({ ctx }) =>
    ctx.database
      .select(projectColumns)
      .from(projects)
      .where(visibleIn(ctx.caller, projects.name))
      .orderBy(asc(projects.name)),
  ),

  /** The settings with every default filled in; `written` is what was set. Secrets in them are shown to administrators. */
  settings: needs('administer', ofProject)
    .input(z.object({ project: projectName }))
    .query(async ({ ctx, input }) => {
      const project = await findProject(ctx.database, input.project);
      return { settings: settingsOf(project.settings), written: project.settings };
    }),

  /** Replaces the settings of a project; what is left out has its default from now on. */
  configure: needs('administer', ofProject)
    .input(z.object({ project: projectName, settings: z.unknown() }))
    .mutation(async ({ ctx, input }) => {
      const parsed = projectSettings.safeParse(input.settings);
      if (!parsed.success) {
        const issue = parsed.error.issues[0]!;
        const field = ['settings', ...issue.path].join('.');
        throw new StarlingError('INVALID_INPUT', `${field}: ${issue.message}`, {
          field,
          fix: 'docs/reference/project-settings.md lists every setting.',
        });
      }
      await findProject(ctx.database, input.project);
      const written = await ctx.database.transaction(async (tx) => {
        const [before] = await tx.select().from(projects).where(eq(projects.name, input.project)).for('update');
        // As written, so that "14d" is read as "14d" again; checked above.
        const written = withGenerationKept(input.settings as WrittenProjectSettings, settingsOf(before!.settings));
        await tx.update(projects).set({ settings: written }).where(eq(projects.name, input.project));
        await announce(tx, 'projects');
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'project.configure',
          project: input.project,
          target: input.project,
          details: { before: withoutSecrets(before!.settings), after: withoutSecrets(written) },
          requestId: ctx.requestId,
        });
        return written;
      });
      return { settings: settingsOf(written), written };
    }),

  add: needs('administer', everywhere)
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
          .returning(projectColumns);
        if (!project) {
          throw new StarlingError('CONFLICT', `There is a project "${input.name}" already.`, {
            field: 'name',
            fix: 'Choose another name.',
          });
        }
        await announce(tx, 'projects');
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'project.add',
          project: project.name,
          target: project.name,
          details: { repositoryUrl: project.repositoryUrl, defaultRef, binaryName: project.binaryName },
          requestId: ctx.requestId,
        });
        return project;
      });
    }),
});

/** A webhook secret that was rotated away must not come back because settings were written without its generation. */
function withGenerationKept(written: WrittenProjectSettings, { webhooks }: ProjectSettings): WrittenProjectSettings {
  const generation = Math.max(written.webhooks?.generation ?? 1, webhooks.generation);
  return generation === 1 ? written : { ...written, webhooks: { generation } };
}

/** For the audit log: who changed a secret shows, the secret does not. */
function withoutSecrets(settings: unknown): unknown {
  return JSON.parse(JSON.stringify(settings ?? {}, (key, value) => (key === 'secret' ? '(set)' : value)));
}
