import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identityPath, openIdentity } from '@starling/host/kept-identity.ts';
import { generateSigningKey } from '@starling/shared/signing.ts';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FakeHub } from '../testing/fake-hub.ts';
import { HubAccess, type HubAccessOptions } from './hub-access.ts';

let folder: string;
let hub: FakeHub;
let now: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-access-'));
  hub = await FakeHub.start(folder);
  now = 1_000_000;
  await writeFile(join(folder, 'token'), `${FakeHub.token}\n`);
});
afterEach(async () => {
  await hub.stop();
  await rm(folder, { recursive: true, force: true });
});

const never = new AbortController().signal;
async function access(more: Partial<HubAccessOptions> = {}): Promise<HubAccess> {
  const machine = more.machine ?? 'm1';
  const path = identityPath(folder, 'agent', 'm1');
  return new HubAccess({
    hubUrl: hub.url,
    machine,
    region: 'eu',
    tokenFile: join(folder, 'token'),
    identity: await openIdentity(path, () => generateSigningKey().privatePem),
    clock: { now: () => now, sleep: async () => {} },
    log: pino({ level: 'silent' }),
    ...more,
  });
}
const posts = (path: string) => hub.posts.get(path) ?? 0;

it('enrols once, and opens one session for all who ask', async () => {
  const first = await access();
  const [one, two] = await Promise.all([first.session(never), first.session(never)]);
  expect([one, posts('/agents/session')]).toEqual([two, 1]);
  const second = await access({ tokenFile: undefined });
  expect(await second.session(never)).not.toBe(one);
  expect(posts('/enrol')).toBe(1);
});

it('opens another session when the hub forgot it, and only then', async () => {
  const agent = await access();
  const first = await agent.session(never);
  agent.forget('another');
  expect(await agent.session(never)).toBe(first);
  agent.forget(first);
  expect(await agent.session(never)).not.toBe(first);
});

it('is closed when nothing that it was about to keep is written any more', async () => {
  const kept = await openIdentity(identityPath(folder, 'agent', 'm1'), () => generateSigningKey().privatePem);
  const writing = Promise.withResolvers<void>();
  const written = Promise.withResolvers<void>();
  const identity = {
    ...kept,
    keep: async () => {
      writing.resolve();
      await written.promise;
    },
  };
  const agent = await access({ identity });
  const asked = agent.session(never);
  await writing.promise;
  let isClosed = false;
  const closing = agent.close().then(() => {
    isClosed = true;
  });
  await new Promise(setImmediate);
  expect(isClosed).toBe(false);
  written.resolve();
  await closing;
  await expect(asked).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(posts('/agents/session')).toBe(0);
});

it('enrols again with the same key when its first answer was lost, without a use of the token', async () => {
  await (await access()).session(never);
  const identity = await openIdentity(identityPath(folder, 'agent', 'm1'), () => 'never');
  await identity.keep(null);
  await (await access({ tokenFile: undefined })).session(never);
  expect([posts('/enrol'), hub.enrolled.size]).toEqual([2, 1]);
});

it('asks for another credential when control signs with another key', async () => {
  const agent = await access();
  agent.forget(await agent.session(never));
  hub.signing = generateSigningKey();
  await expect(agent.session(never)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  agent.forget(await agent.session(never));
  expect(posts('/enrol')).toBe(2);
});

it('does not ask without end when the hub trusts another control than its own', async () => {
  hub.takesNothing = true;
  const agent = await access();
  await expect(agent.session(never)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await expect(agent.session(never)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(posts('/enrol')).toBe(1);
});

it('says what to do when it has neither identity nor token, and when the token is no good', async () => {
  for (const tokenFile of [undefined, join(folder, 'nowhere')]) {
    await expect((await access({ tokenFile })).session(never)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      fix: expect.stringContaining('starling enrol agent --region eu'),
    });
  }
  await writeFile(join(folder, 'token'), 'used up');
  await expect((await access()).session(never)).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: expect.stringContaining('This enrolment token is not known here.'),
  });
});

it('does not ask again for a minute when it is shut out, and comes in when that was mended', async () => {
  const agent = await access();
  agent.forget(await agent.session(never));
  hub.revoked.add('m1');
  const refused = { code: 'FORBIDDEN', message: 'the hub shuts this machine out: it was revoked' };
  await expect(agent.session(never)).rejects.toMatchObject(refused);
  await expect(agent.session(never)).rejects.toMatchObject(refused);
  now += 59_999;
  await expect(agent.session(never)).rejects.toMatchObject(refused);
  expect(posts('/agents/session')).toBe(2);
  now += 1;
  hub.revoked.clear();
  expect(await agent.session(never)).toMatch(/./);
});

it('is not shut out by a hub that is away, and stops waiting when it is told to', async () => {
  const agent = await access({ hubUrl: 'http://127.0.0.1:1' });
  await expect(agent.session(never)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(agent.session(never)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const other = await access();
  await expect(other.session(AbortSignal.abort())).rejects.toThrow('aborted');
});

it('takes no credential of another machine for its own', async () => {
  await (await access()).session(never);
  const renamed = await access({ machine: 'm2' });
  await renamed.session(never);
  expect([...hub.enrolled.keys()]).toEqual(['m1', 'm2']);
});
