import type { ErrorCode } from '@starling/shared/errors.ts';

/** What the exit status tells a script. Part of the CLI's contract: numbers never change their meaning. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  auth: 3,
  notFound: 4,
  precondition: 5,
  timeout: 6,
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The table of the reference, in the order people meet them. */
export const exitCodeMeanings: readonly [ExitCode, string][] = [
  [exitCodes.ok, 'It worked.'],
  [exitCodes.failed, 'It failed: the build, the deployment, or the server.'],
  [exitCodes.usage, 'The command line or an input is not valid, or no server is known.'],
  [exitCodes.auth, 'There is no token, it is not known, or its role may not do this.'],
  [exitCodes.notFound, 'The project, build, job or deployment named is not there.'],
  [exitCodes.precondition, 'Not now: not replicated everywhere, another deployment runs, it exists already.'],
  [exitCodes.timeout, 'A wait or a request took too long. What was waited for goes on.'],
  [exitCodes.interrupted, 'Interrupted. What was waited for goes on.'],
];

const ofErrorCode: Record<ErrorCode, ExitCode> = {
  INVALID_INPUT: exitCodes.usage,
  UNAUTHENTICATED: exitCodes.auth,
  FORBIDDEN: exitCodes.auth,
  NOT_FOUND: exitCodes.notFound,
  CONFLICT: exitCodes.precondition,
  PRECONDITION_FAILED: exitCodes.precondition,
  UNAVAILABLE: exitCodes.failed,
  TIMEOUT: exitCodes.timeout,
  INTERNAL: exitCodes.failed,
};

export function exitCodeOf(code: ErrorCode): ExitCode {
  return ofErrorCode[code];
}
