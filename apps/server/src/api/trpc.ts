import { type ErrorCode, StarlingError } from '@starling/shared/errors.ts';
import type { Role } from '@starling/shared/words.ts';
import { initTRPC, TRPCError } from '@trpc/server';
import { ZodError } from 'zod';
import type { Caller, Context } from './context.ts';

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

const t = initTRPC.context<Context>().create({
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

function describe(error: TRPCError): DescribedError {
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
const errors = t.middleware(async ({ ctx, path, next }) => {
  const result = await next();
  if (result.ok) return result;
  const { cause } = result.error;
  if (cause instanceof StarlingError) {
    throw new TRPCError({ code: trpcCodes[cause.code], message: cause.message, cause });
  }
  if (result.error.code === 'INTERNAL_SERVER_ERROR')
    ctx.log.error({ err: cause, path, requestId: ctx.requestId }, 'unexpected error');
  return result;
});

function allow(...allowed: Role[]) {
  return t.middleware(({ ctx, next }) => {
    if (!ctx.caller) {
      throw new StarlingError('UNAUTHENTICATED', 'You are not signed in.', {
        fix: 'Sign in to the console, or give the CLI a token.',
      });
    }
    if (!allowed.includes(ctx.caller.role)) {
      throw new StarlingError(
        'FORBIDDEN',
        `${ctx.caller.name} may not do this: it needs the role ${allowed.join(' or ')}.`,
      );
    }
    return next({ ctx: { ...ctx, caller: ctx.caller as Caller } });
  });
}

export const router = t.router;
const procedure = t.procedure.use(errors);
/** For whoever may look. */
export const viewerProcedure = procedure.use(allow('viewer', 'admin'));
/** For whoever may change things. */
export const adminProcedure = procedure.use(allow('admin'));
/** For hubs alone. */
export const hubProcedure = procedure.use(allow('hub'));
