import { type ErrorCode, StarlingError } from '@starling/shared/errors.ts';
import {
  allows,
  allProjects,
  identityAllows,
  type Permission,
  projectsWith,
  rolesWith,
} from '@starling/shared/permissions.ts';
import { initTRPC, TRPCError } from '@trpc/server';
import { ZodError } from 'zod';
import type { Caller, Context } from './context.ts';
import type { Scope } from './scopes.ts';

const trpcCodes = {
  INVALID_INPUT: 'BAD_REQUEST',
  UNAUTHENTICATED: 'UNAUTHORIZED',
  FORBIDDEN: 'FORBIDDEN',
  NOT_FOUND: 'NOT_FOUND',
  CONFLICT: 'CONFLICT',
  PRECONDITION_FAILED: 'PRECONDITION_FAILED',
  UNAVAILABLE: 'SERVICE_UNAVAILABLE',
  TIMEOUT: 'TIMEOUT',
  INTERNAL: 'INTERNAL_SERVER_ERROR',
} as const satisfies Record<ErrorCode, TRPCError['code']>;

/** What is known of a procedure without calling it. */
export interface ProcedureMeta {
  permission: Permission;
  scope: string;
}

const longestStreamMs = 10 * 60_000;

const t = initTRPC
  .context<Context>()
  .meta<ProcedureMeta>()
  .create({
    // A proxy on the way takes a silent connection for a dead one; and a dead one must not be taken for a silent one.
    // A stream ends after a while and its client comes back by itself: with a session that has ended it does not get in.
    sse: {
      maxDurationMs: longestStreamMs,
      ping: { enabled: true, intervalMs: 15_000 },
      client: { reconnectAfterInactivityMs: 45_000 },
    },
    // The one place where an error gets the shape that clients see: a code, the field, the fix and the request's id.
    errorFormatter: ({ shape, error, ctx }) => {
      const described = describe(error);
      return {
        message: described.message,
        code: shape.code,
        data: { ...shape.data, stack: undefined, ...described, requestId: ctx?.requestId ?? null },
      };
    },
  });

export interface DescribedError {
  starlingCode: ErrorCode;
  message: string;
  field: string | null;
  fix: string | null;
}

/** What clients are told of an error. */
export function describe(error: TRPCError): DescribedError {
  const { cause } = error;
  if (cause instanceof StarlingError) {
    return { starlingCode: cause.code, message: cause.message, field: cause.field ?? null, fix: cause.fix ?? null };
  }
  if (cause instanceof ZodError) {
    const issue = cause.issues[0];
    const field = issue?.path.join('.') || null;
    return {
      starlingCode: 'INVALID_INPUT',
      message: `${field ?? 'input'}: ${issue?.message ?? 'is not valid'}`,
      field,
      fix: null,
    };
  }
  const starlingCode =
    (Object.keys(trpcCodes) as ErrorCode[]).find((code) => trpcCodes[code] === error.code) ?? 'INTERNAL';
  const message =
    starlingCode === 'INTERNAL' ? 'The server met an unexpected error; its log has the details.' : error.message;
  return { starlingCode, message, field: null, fix: null };
}

/** Turns our own errors into tRPC's, and logs those that are defects. */
const errors = t.middleware(async ({ ctx, path, type, next }) => {
  const result = await next();
  // Whoever changed something finds it in what they read next.
  if (result.ok && type === 'mutation') ctx.reader.changed();
  if (result.ok) return result;
  const { cause } = result.error;
  if (cause instanceof StarlingError) {
    throw new TRPCError({ code: trpcCodes[cause.code], message: cause.message, cause });
  }
  if (result.error.code === 'INTERNAL_SERVER_ERROR')
    ctx.log.error({ err: cause, path, requestId: ctx.requestId }, 'unexpected error');
  return result;
});

export const router = t.router;
export const createCallerFactory = t.createCallerFactory;
const procedure = t.procedure.use(errors);

/**
 * A procedure for those who have `permission` in the scope of the call. The permission is part of the procedure's `meta`,
 * so that a test can see that none was forgotten. The scope is read from the input before it is validated: what is not
 * there, or is no name of anything, needs the permission in some project, and the procedure itself then refuses it.
 */
export function needs(permission: Permission, scope: Scope) {
  return procedure.meta({ permission, scope: scope.name }).use(async ({ ctx, getRawInput, next }) => {
    const { caller } = ctx;
    if (!caller) {
      throw new StarlingError('UNAUTHENTICATED', 'You are not signed in.', {
        fix: 'Sign in to the console, or give the CLI a token.',
      });
    }
    // A call that says nothing may have an empty body, which is no JSON; where an input is needed the procedure refuses it.
    const input = () => getRawInput().catch(() => undefined);
    const project = caller.kind === 'person' ? await scope.projectOf(await input(), ctx) : undefined;
    if (!mayDo(caller, permission, project)) throw forbidden(caller, permission, project);
    return next({ ctx: { ...ctx, caller } });
  });
}

function mayDo(caller: Caller, permission: Permission, project: string | undefined): boolean {
  if (caller.kind !== 'person') return identityAllows(caller.kind, permission);
  if (permission === 'signed-in') return true;
  if (project !== undefined) return allows(caller.grants, permission, project);
  return projectsWith(caller.grants, permission).length > 0;
}

function forbidden(caller: Caller, permission: Permission, project: string | undefined): StarlingError {
  const where = project === undefined ? '' : project === allProjects ? ' in all projects' : ` in ${project}`;
  const roles = rolesWith(permission);
  return new StarlingError(
    'FORBIDDEN',
    `${caller.name} may not do this: it needs the permission "${permission}"${where}.`,
    roles.length > 0
      ? {
          fix: `Ask an administrator for the role ${roles.filter((role) => role !== 'admin').join(' or ') || 'admin'}${where}.`,
        }
      : {},
  );
}
