import { answerChallenge, publicKeyOf } from '@starling/shared/agent-identity.ts';
import { generateSigningKey, Signer, TrustedKeys } from '@starling/shared/signing.ts';
import { describe, expect, it } from 'vitest';
import { AgentSessions, sessionLifetimeMs } from './agent-sessions.ts';
import {
  credentialOf,
  goodToken,
  keyOfMachine,
  MemoryControl,
  makeKey,
  post,
  proofFor,
  region,
  sessionOf,
  startTestHub,
  TestAgent,
  trusted,
  until,
} from './test-hub.ts';

const refusalOf = async (answer: Response) => {
  const { code, message } = (await answer.json()) as { code?: string; message: string };
  return [answer.status, code, message];
};

describe('an agent that enrols through its hub', () => {
  it('gets the credential that control signed, and with it a session', async () => {
    const { hub, control } = await startTestHub();
    const publicKey = publicKeyOf(keyOfMachine('new').privatePem);
    const request = { token: goodToken, name: 'new', region, publicKey };
    const answer = await post(`${hub.url}/enrol`, request);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual(credentialOf('new'));
    expect(control.enrolments).toEqual([request]);
    expect(await sessionOf(hub.url, 'new')).toMatch(/^stl_/);
  });

  it('is told why control refuses it, and that control is away', async () => {
    const { hub, control } = await startTestHub();
    const request = { token: 'no', name: 'new', region, publicKey: publicKeyOf(keyOfMachine('new').privatePem) };
    expect(await refusalOf(await post(`${hub.url}/enrol`, request))).toEqual([401, 'UNAUTHENTICATED', 'no such token']);
    control.failure = new Error('no route to control');
    const away = await post(`${hub.url}/enrol`, request);
    expect([away.status, away.headers.get('retry-after')]).toEqual([503, '5']);
    expect((await refusalOf(away))[2]).toContain('no route to control');
    expect((await post(`${hub.url}/enrol`, { ...request, publicKey: 'x' })).status).toBe(400);
    expect((await post(`${hub.url}/enrol`, { pad: 'x'.repeat(20_000) })).status).toBe(400);
    expect((await post(`${hub.url}/nothing`, {})).status).toBe(405);
  });

  it('that tries wrong tokens without end has to wait', async () => {
    const { hub } = await startTestHub();
    const request = { token: 'no', name: 'new', region, publicKey: publicKeyOf(keyOfMachine('new').privatePem) };
    const tried: number[] = [];
    while (tried.at(-1) !== 429 && tried.length < 100) tried.push((await post(`${hub.url}/enrol`, request)).status);
    expect(tried.filter((status) => status === 401).length).toBeGreaterThanOrEqual(50);
    expect(tried.at(-1)).toBe(429);
  });
});

describe('a session', () => {
  it('is opened while control is away, once it was known who is revoked', async () => {
    const first = await startTestHub();
    await sessionOf(first.hub.url, 'm1');
    await first.hub.stop();
    first.control.failure = new Error('control is away');
    const second = await startTestHub({ control: first.control, dataDir: first.dataDir });
    const agent = await TestAgent.join(second.hub.url, 'm1');
    first.keys.put(makeKey(1, null));
    await until(async () => (await second.health()).revokedAgents.error === 'control is away');
    expect([(await second.health()).revokedAgents.known, agent.closeCode]).toEqual([true, undefined]);

    const fresh = await startTestHub({ control: first.control });
    const answer = await post(`${fresh.hub.url}/agents/session`, await proofFor(fresh.hub.url, 'm1'));
    expect(await refusalOf(answer)).toEqual([503, 'NOT_READY', expect.stringContaining('not heard yet')]);
  });

  it('is refused for a credential of another signer or region, and for a proof of another key', async () => {
    const { hub } = await startTestHub();
    await sessionOf(hub.url, 'm1');
    const open = async (credential: ReturnType<typeof credentialOf>, machine = 'm1') =>
      (await refusalOf(await post(`${hub.url}/agents/session`, await proofFor(hub.url, machine, credential))))[1];
    const { signature: _, ...unsigned } = credentialOf('m1');
    const forged = new Signer('agent-credential', generateSigningKey().privatePem).sign(unsigned);
    expect(await open(forged)).toBe('NOT_TRUSTED');
    expect(await open({ ...credentialOf('m1'), machine: 'm2' })).toBe('NOT_TRUSTED');
    expect(await open(credentialOf('m1', { region: 'us' }))).toBe('WRONG_REGION');
    expect(await open(credentialOf('m1'), 'm2')).toBe('BAD_PROOF');
  });

  it('is opened once with a challenge, and only with one of this very hub', async () => {
    const { hub } = await startTestHub();
    const other = await startTestHub();
    await sessionOf(hub.url, 'm1');
    const proof = await proofFor(hub.url, 'm1');
    expect((await post(`${hub.url}/agents/session`, proof)).status).toBe(200);
    expect((await refusalOf(await post(`${hub.url}/agents/session`, proof)))[1]).toBe('BAD_PROOF');
    const foreign = await proofFor(other.hub.url, 'm1');
    expect((await refusalOf(await post(`${hub.url}/agents/session`, foreign)))[1]).toBe('BAD_PROOF');
  });

  it('is one a machine, and ends with the hub', async () => {
    const { hub, get } = await startTestHub();
    const path = `/manifests/${'0'.repeat(64)}`;
    const with_ = (session: string) => ({ authorization: `Bearer ${session}` });
    const [first, second] = [await sessionOf(hub.url, 'm1'), await sessionOf(hub.url, 'm1')];
    expect((await get(path, with_(first))).status).toBe(401);
    expect((await get(path, with_(second))).status).not.toBe(401);
    const restarted = await startTestHub();
    expect((await restarted.get(path, with_(second))).status).toBe(401);
  });

  it('ends by itself, as does a challenge that nobody answered', () => {
    let now = 1_000_000;
    const sessions = new AgentSessions({
      hub: 'h',
      region,
      trusted: new TrustedKeys('agent-credential', trusted.agentCredentials),
      revocations: { isKnown: true, has: () => false },
      clock: { now: () => now, sleep: async () => {} },
    });
    const prove = () => {
      const challenge = sessions.challenge();
      const signature = answerChallenge(keyOfMachine('m1').privatePem, 'm1', challenge);
      return { credential: credentialOf('m1'), nonce: challenge.nonce, signature };
    };
    const opened = sessions.open(prove());
    const header = 'session' in opened ? `Bearer ${opened.session}` : '';
    now += sessionLifetimeMs - 1;
    expect(sessions.ownerOf(header)?.machine).toBe('m1');
    expect(sessions.ownerOf(`${header}x`)).toBeUndefined();
    now += 1;
    expect(sessions.ownerOf(header)).toBeUndefined();
    const inTime = prove();
    now += 60_000;
    expect(sessions.open(inTime)).toMatchObject({ session: expect.any(String) });
    const late = prove();
    now += 60_001;
    expect(sessions.open(late)).toMatchObject({ refusal: 'BAD_PROOF' });
  });
});

describe('an agent that is revoked', () => {
  it('loses its connection and its session at once, others do not, and does not come back', async () => {
    const { hub, control, dataDir, get } = await startTestHub();
    const [revoked, other] = [await TestAgent.join(hub.url, 'm1'), await TestAgent.join(hub.url, 'm2')];
    const session = await sessionOf(hub.url, 'm1');
    control.revoke('m1');
    await until(() => revoked.closeCode !== undefined);
    expect(revoked.of('refused')).toEqual([{ type: 'refused', reason: 'the identity of m1 was revoked' }]);
    const path = `/manifests/${'0'.repeat(64)}`;
    expect((await get(path, { authorization: `Bearer ${session}` })).status).toBe(401);
    const answer = await post(`${hub.url}/agents/session`, await proofFor(hub.url, 'm1'));
    expect(await refusalOf(answer)).toEqual([403, 'REVOKED', 'the identity of m1 was revoked']);
    await until(() => control.machine('m1')?.connected === false);
    expect(other.closeCode).toBeUndefined();

    await hub.stop();
    control.failure = new Error('control is away');
    const again = await startTestHub({ control, dataDir });
    const still = await post(`${again.hub.url}/agents/session`, await proofFor(again.hub.url, 'm1'));
    expect((await refusalOf(still))[1]).toBe('REVOKED');
  });

  it('is asked for by number, until all are known', async () => {
    const control = new MemoryControl();
    for (const machine of ['r1', 'r2', 'r3', 'r4', 'r5']) control.revoke(machine);
    const first = await startTestHub({ control });
    await until(async () => (await first.health()).revokedAgents.count === 5);
    await until(async () => (await first.health()).revokedAgents.known);
    expect(control.askedAfter.slice(0, 3)).toEqual([0, 2, 4]);
    await first.hub.stop();
    control.askedAfter.length = 0;
    const second = await startTestHub({ control, dataDir: first.dataDir });
    await until(() => control.askedAfter.length > 0);
    expect(control.askedAfter[0]).toBe(5);
    expect((await second.health()).revokedAgents.count).toBe(5);
  });
});
