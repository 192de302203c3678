import {
  type Answer,
  type RequestChannel,
  type RequestPayload,
  type RequestResults,
  requestPayloads,
} from '../ipc-contract.ts';
import { isTrustedSender, type SenderFacts } from './trusted-sender.ts';

export type RequestHandlers = {
  [Channel in RequestChannel]: (
    payload: RequestPayload<Channel>,
  ) => Promise<RequestResults[Channel]> | RequestResults[Channel];
};

/** The part of Electron's ipcMain that is used. */
export interface RequestListener {
  handle(channel: string, listener: (event: SenderFacts, payload: unknown) => Promise<Answer<unknown>>): void;
}

/** Answers the channels of the contract: only for the console's own frame, only payloads that the contract allows. */
export function answerRequests(ipc: RequestListener, handlers: RequestHandlers): void {
  for (const channel of Object.keys(requestPayloads) as RequestChannel[]) {
    ipc.handle(channel, async (event, payload) => {
      if (!isTrustedSender(event)) return { ok: false, message: 'Only the console itself may ask.' };
      const parsed = requestPayloads[channel].safeParse(payload);
      if (!parsed.success) return { ok: false, message: parsed.error.issues[0]?.message ?? 'This is not understood.' };
      try {
        const handler = handlers[channel] as (payload: unknown) => Promise<unknown> | unknown;
        return { ok: true, result: await handler(parsed.data) };
      } catch (thrown) {
        return { ok: false, message: thrown instanceof Error ? thrown.message : String(thrown) };
      }
    });
  }
}
