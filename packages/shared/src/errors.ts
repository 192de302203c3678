/** What kind of refusal this is; each maps to one exit code of the CLI and one status of the API. */
export const errorCodes = [
  'INVALID_INPUT',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'CONFLICT',
  'PRECONDITION_FAILED',
  'UNAVAILABLE',
  'TIMEOUT',
  'INTERNAL',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/**
 * An error a person can act on: what went wrong, in which field, and what mends it.
 * Everything else that is thrown is a defect and is shown as INTERNAL.
 */
export class StarlingError extends Error {
  readonly code: ErrorCode;
  /** The input that is at fault, as the caller named it, for example `run.command`. */
  readonly field: string | undefined;
  /** One sentence that says what to do about it. */
  readonly fix: string | undefined;

  constructor(code: ErrorCode, message: string, details: { field?: string; fix?: string; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'StarlingError';
    this.code = code;
    this.field = details.field;
    this.fix = details.fix;
  }
}

/** The message of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
