import { errorCodes, messageOf, StarlingError } from '@starling/shared/errors.ts';
import { TRPCClientError } from '@trpc/client';
import type { Access } from './access.ts';
import { ForeignAnswer, requestTimeoutMs } from './client.ts';
import { type ExitCode, exitCodeOf, exitCodes } from './exit-codes.ts';

/** Something that went wrong, as it is told to a person and to a script. */
export interface Failure {
  message: string;
  fix?: string | undefined;
  field?: string | undefined;
  requestId?: string | undefined;
  exitCode: ExitCode;
  /** A mistake in the CLI itself, whose stack helps to mend it. */
  isDefect?: boolean;
}

/** Ends a command with a message and an exit code of its own, after its data was printed. */
export class CommandFailure extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.name = 'CommandFailure';
    this.failure = failure;
  }
}

/** Whatever was thrown, in words. `access` is undefined as long as no server was chosen. */
export function describeFailure(thrown: unknown, access: Access | undefined): Failure {
  if (thrown instanceof CommandFailure) return thrown.failure;
  if (thrown instanceof StarlingError) {
    return { message: thrown.message, field: thrown.field, fix: thrown.fix, exitCode: exitCodeOf(thrown.code) };
  }
  if (thrown instanceof TRPCClientError) return describeApiError(thrown, access);
  return { message: `This is a defect of the CLI: ${messageOf(thrown)}`, exitCode: exitCodes.failed, isDefect: true };
}

/** Whether it failed for want of an answer: trying again later may help. */
export function isUnreachable(thrown: unknown): boolean {
  if (!(thrown instanceof TRPCClientError)) return false;
  const status = statusOf(thrown);
  return status === undefined ? starlingDataOf(thrown) === undefined : [502, 503, 504].includes(status);
}

/** The HTTP status, where there was an answer at all. */
function statusOf(error: TRPCClientError<never>): number | undefined {
  if (error.cause instanceof ForeignAnswer) return error.cause.status;
  return (error.meta as { response?: { status?: number } } | undefined)?.response?.status;
}

interface StarlingData {
  starlingCode: (typeof errorCodes)[number];
  message?: string;
  field?: string | null;
  fix?: string | null;
  requestId?: string | null;
}

function starlingDataOf(error: TRPCClientError<never>): StarlingData | undefined {
  const data = error.data as StarlingData | undefined | null;
  return data && errorCodes.includes(data.starlingCode) ? data : undefined;
}

function describeApiError(error: TRPCClientError<never>, access: Access | undefined): Failure {
  const server = access ? `${access.server} (from ${access.from})` : 'the server';
  const data = starlingDataOf(error);
  if (data) {
    const field = data.field ?? undefined;
    const fix = data.fix ?? undefined;
    const failure = { message: error.message, field, fix, requestId: data.requestId ?? undefined };
    if (data.starlingCode === 'UNAUTHENTICATED') {
      return {
        ...failure,
        message: access?.token
          ? `${server} does not know this token.`
          : `${server} wants a token, and none is known for it.`,
        fix: 'Set STARLING_TOKEN, or give a file that holds the token with --token-file <path>.',
        exitCode: exitCodes.auth,
      };
    }
    return { ...failure, exitCode: exitCodeOf(data.starlingCode) };
  }

  const { cause } = error;
  if (cause?.name === 'TimeoutError') {
    return {
      message: `${server} did not answer within ${requestTimeoutMs / 1000} s.`,
      fix: 'Look whether it took effect (starling status) before you try again.',
      exitCode: exitCodes.timeout,
    };
  }
  const status = statusOf(error);
  if (status !== undefined) {
    return {
      message: `${server} answered, but not as a Starling server does (HTTP ${status}).`,
      fix: 'Check the address; something else may listen there, or a proxy may stand in between.',
      exitCode: exitCodes.failed,
    };
  }
  return {
    message: `${server} cannot be reached: ${networkCause(cause ?? error)}.`,
    fix: 'Start Starling on this machine with "npm start" in the clone, or name another server with --server <url>.',
    exitCode: exitCodes.failed,
  };
}

const networkCauses: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name could not be looked up',
  ECONNRESET: 'it closed the connection',
  UND_ERR_SOCKET: 'it closed the connection',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed (NODE_EXTRA_CA_CERTS names a file with your own)',
  CERT_HAS_EXPIRED: 'its certificate has expired',
};

/** fetch hides the reason in the cause of its cause; a name with two addresses has one reason for each. */
function networkCause(thrown: unknown): string {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    const code = (error as NodeJS.ErrnoException).code ?? firstCode(error);
    if (code) return `${networkCauses[code] ?? error.message} (${code})`;
    if (!(error.cause instanceof Error)) return error.message;
  }
  return String(thrown);
}

function firstCode(error: Error): string | undefined {
  return error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException | undefined)?.code : undefined;
}
