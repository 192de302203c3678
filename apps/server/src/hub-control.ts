import type { Clock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { createTRPCClient, httpLink, TRPCClientError } from '@trpc/client';
import type { RootRouter } from './api/root.ts';
import type { Control } from './hub/ports.ts';

// Control, as a hub reaches it: over HTTP, with the secret that the hub enrolled with.

const deadlineMs = 20_000;
/** Whoever calls again and again with a credential that no longer holds makes its whole address wait. */
const shutOutPauseMs = 60_000;

/** What control refuses is thrown as the StarlingError that it was there; what does not answer as any other error. */
export function controlAt(url: string, secret: string, clock: Clock): Control {
  const client = createTRPCClient<RootRouter>({
    links: [httpLink({ url: `${url}/trpc`, headers: { authorization: `Bearer ${secret}` } })],
  });
  let shutOut: { error: StarlingError; until: number } | undefined;

  async function call<Answer>(ask: (options: { signal: AbortSignal }) => Promise<Answer>): Promise<Answer> {
    if (shutOut && clock.now() < shutOut.until) throw shutOut.error;
    try {
      const answer = await ask({ signal: AbortSignal.timeout(deadlineMs) });
      shutOut = undefined;
      return answer;
    } catch (thrown) {
      const error = asItWas(thrown);
      // About us, not about the token of an agent that was passed on.
      if (error instanceof StarlingError && error.code === 'UNAUTHENTICATED' && error.field === undefined) {
        const why = 'control does not know this hub: it was revoked, or enrolled elsewhere';
        const fix =
          'To let it in, remove the folder "identity" of its data folder and give it a token: starling enrol hub';
        shutOut = { error: new StarlingError('UNAVAILABLE', `${why}. ${fix}`), until: clock.now() + shutOutPauseMs };
        throw shutOut.error;
      }
      throw error;
    }
  }

  return {
    report: async (batch) => {
      await call((options) => client.hubs.report.mutate(batch, options));
    },
    enrolAgent: (request) => call((options) => client.hubs.enrolAgent.mutate(request, options)),
    revokedAgents: (after) => call((options) => client.hubs.revokedAgents.query({ after }, options)),
  };
}

function asItWas(thrown: unknown): unknown {
  if (!(thrown instanceof TRPCClientError)) return thrown;
  const { data, message } = thrown as TRPCClientError<RootRouter>;
  if (!data?.starlingCode) return new Error(thrown.cause ? messageOf(thrown.cause) : message);
  const { field, fix } = data;
  return new StarlingError(data.starlingCode, message, { ...(field && { field }), ...(fix && { fix }) });
}
