import { expect, it } from 'vitest';
import { type Answer, requestPayloads } from '../ipc-contract.ts';
import { answerRequests, type RequestHandlers, type RequestListener } from './requests.ts';
import type { SenderFacts } from './trusted-sender.ts';

const console_ = { senderFrame: { url: 'app://console/', parent: null } };

function setUp(handlers: Partial<RequestHandlers>) {
  const listeners = new Map<string, (event: SenderFacts, payload: unknown) => Promise<Answer<unknown>>>();
  const ipc: RequestListener = { handle: (channel, listener) => void listeners.set(channel, listener) };
  answerRequests(ipc, handlers as RequestHandlers);
  return {
    channels: [...listeners.keys()],
    ask: (channel: string, payload: unknown, sender: SenderFacts = console_) =>
      listeners.get(channel)!(sender, payload),
  };
}

it('answers every channel of the contract', () => {
  expect(setUp({}).channels.sort()).toEqual(Object.keys(requestPayloads).sort());
});

it('asks nothing of a handler for a stranger or a payload that the contract does not allow', async () => {
  const opened: string[] = [];
  const { ask } = setUp({
    'external:open': ({ url }) => {
      opened.push(url);
      return null;
    },
  });
  const stranger = { senderFrame: { url: 'https://evil.example/', parent: null } };
  expect(await ask('external:open', { url: 'https://a.example' }, stranger)).toMatchObject({ ok: false });
  expect(await ask('external:open', { url: 7 })).toMatchObject({ ok: false });
  expect(opened).toEqual([]);
  expect(await ask('external:open', { url: 'https://a.example' })).toEqual({ ok: true, result: null });
  expect(opened).toEqual(['https://a.example']);
});

it('hands an error over as words', async () => {
  const { ask } = setUp({
    'profiles:remove': () => {
      throw new Error('The last server stays.');
    },
  });
  expect(await ask('profiles:remove', { id: 'local' })).toEqual({ ok: false, message: 'The last server stays.' });
});
