import { TRPCClientError } from '@trpc/client';
import type { ApiError } from './api.ts';

/** An error as a person reads it: what happened, what mends it, and what to quote when asking for help. */
export interface ReadableError {
  message: string;
  fix: string | null;
  field: string | null;
  requestId: string | null;
  kind: 'unreachable' | 'signed-out' | 'not-found' | 'refused' | 'defect';
}

/**
 * The error of a read, unless the page has what was read before and only the connection is gone: the banner says that
 * already, and what is on the page stays.
 */
export function errorToShow<Thrown extends object>(read: { error: Thrown | null; data: unknown }): Thrown | null {
  if (!read.error) return null;
  return read.data !== undefined && readableError(read.error).kind === 'unreachable' ? null : read.error;
}

export function readableError(error: unknown): ReadableError {
  const none = { fix: null, field: null, requestId: null };
  if (!(error instanceof TRPCClientError)) {
    return { ...none, message: error instanceof Error ? error.message : String(error), kind: 'defect' };
  }
  const { data, message } = error as unknown as ApiError & { message: string };
  if (!data) {
    return {
      ...none,
      message: 'The server cannot be reached.',
      fix: 'Check that it runs and that this computer can reach it, then try again.',
      kind: 'unreachable',
    };
  }
  const { code, fix, field, requestId } = data;
  const kind =
    code === 'UNAUTHORIZED'
      ? 'signed-out'
      : code === 'NOT_FOUND'
        ? 'not-found'
        : code === 'INTERNAL_SERVER_ERROR'
          ? 'defect'
          : 'refused';
  // A defect has no remedy of its own; what helps whoever runs the server is to find it there.
  const found = 'Look for this request in the log of the server; the doctor may know more.';
  return {
    message,
    fix: fix ?? (kind === 'defect' ? found : null),
    field: field ?? null,
    requestId: requestId ?? null,
    kind,
  };
}
