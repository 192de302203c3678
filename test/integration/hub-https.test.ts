import { spawn } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { goodToken, makeBuild, makeKey, startTestHub, type TestHub, trusted } from '@starling/server/hub/test-hub.ts';
import { fingerprintOf, readTls, type TlsFiles } from '@starling/server/lib/tls.ts';
import { type Clock, systemClock } from '@starling/shared/clock.ts';
import { generate } from 'selfsigned';
import { beforeAll, expect, it, onTestFinished, vi } from 'vitest';

// Real agents, in processes of their own, before a hub that speaks TLS with a certificate of a company's own authority.

/** Each agent is a process that has to start first. */
const patienceMs = 600_000;
vi.setConfig({ testTimeout: patienceMs });
const agentMain = fileURLToPath(new URL('../../apps/agent/src/main.ts', import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-hub-https-'));
  await writeFile(join(folder, 'token'), goodToken);
  await writeFile(join(folder, 'manifest.pub'), trusted.manifests[0] ?? '');
  await writeFile(join(folder, 'version.pub'), trusted.versionKeys[0] ?? '');
  return () => rm(folder, { recursive: true, force: true });
});

/** An authority, and the certificates that it signs for this machine. */
async function authority(name: string) {
  const isAuthority = [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, critical: true },
  ];
  const common = { keyType: 'ec', algorithm: 'sha256' } as const;
  const root = await generate([{ name: 'commonName', value: name }], { ...common, extensions: isAuthority } as never);
  const caFile = join(folder, `${name}.pem`);
  await writeFile(caFile, root.cert);
  const sign = async (what: string): Promise<TlsFiles> => {
    const extensions = [
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ];
    const ca = { key: root.private, cert: root.cert };
    const made = await generate([{ name: 'commonName', value: what }], { ...common, extensions, ca } as never);
    const files = { certFile: join(folder, `${what}.crt`), keyFile: join(folder, `${what}.key`) };
    await writeFile(files.certFile, made.cert);
    await writeFile(files.keyFile, made.private);
    return files;
  };
  return { caFile, sign };
}

/** Starts an agent; what it has logged so far. */
function startAgent(machine: string, hubUrl: string, caFile: string | undefined): { said: () => string } {
  const child = spawn(process.execPath, [agentMain], {
    env: {
      PATH: process.env.PATH,
      STARLING_AGENT_DATA: join(folder, machine),
      STARLING_MACHINE: machine,
      STARLING_REGION: 'eu',
      STARLING_HUB_URL: hubUrl,
      STARLING_ENROLMENT_TOKEN_FILE: join(folder, 'token'),
      STARLING_MANIFEST_PUBLIC_KEYS: join(folder, 'manifest.pub'),
      STARLING_VERSION_PUBLIC_KEYS: join(folder, 'version.pub'),
      STARLING_PROGRAMS_ON_STOP: 'stop',
      ...(caFile && { NODE_EXTRA_CA_CERTS: caFile }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
  const ended = new Promise((resolve) => child.once('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return { said: () => text };
}

const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: patienceMs / 2, interval: 50 });
const isIn = ({ control }: TestHub, machine: string) =>
  eventually(() => expect(control.machine(machine)?.connected).toBe(true));

it('an agent that knows the authority comes in and fetches, others are let nowhere near', async () => {
  const [ours, another] = [await authority('ours'), await authority('another')];
  const build = makeBuild(300_000);
  const hub = await startTestHub({ options: { tls: await ours.sign('hub') } });
  hub.blobs.add(build);
  hub.keys.put(makeKey(1, build));
  expect(hub.hub.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  startAgent('m1', hub.hub.url, ours.caFile);
  await isIn(hub, 'm1');
  // Only what is whole and verified is started, and random bytes are no program.
  await eventually(() => expect(hub.control.reports.at(-1)?.detail).toMatch(/the program (?:ended|exited)/));

  const stranger = startAgent('m2', hub.hub.url, another.caFile);
  await eventually(() => {
    expect(stranger.said()).toContain('not connected to the hub');
    expect(stranger.said()).toContain('NODE_EXTRA_CA_CERTS names a file with your own authority');
  });
  const inClear = startAgent('m3', hub.hub.url.replace('https:', 'http:'), ours.caFile);
  await eventually(() => expect(inClear.said()).toContain('not connected to the hub'));
  expect(hub.control.enrolments.map(({ name }) => name)).toEqual(['m1']);
});

it('takes up a renewed certificate, and agents come in by it', async () => {
  const ours = await authority('ours');
  const [first, renewed] = [await ours.sign('first'), await ours.sign('renewed')];
  // Whoever looks once a minute looks all the time.
  const clock: Clock = {
    now: () => systemClock.now(),
    sleep: (ms, signal) => systemClock.sleep(ms === 60_000 ? 20 : ms, signal),
  };
  const hub = await startTestHub({ options: { tls: first, clock } });
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const port = Number(new URL(hub.hub.url).port);
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
      socket.on('error', reject);
    });
  expect(await shown()).toBe(fingerprintOf(readTls(first).cert));
  const next = fingerprintOf(readTls(renewed).cert);
  await copyFile(renewed.keyFile, first.keyFile);
  await copyFile(renewed.certFile, first.certFile);
  await eventually(async () => expect(await shown()).toBe(next));
  startAgent('m5', hub.hub.url, ours.caFile);
  await isIn(hub, 'm5');
});

it('does not start with a certificate that cannot be read', async () => {
  const files = { certFile: join(folder, 'none.crt'), keyFile: join(folder, 'none.key') };
  await expect(startTestHub({ options: { tls: files } })).rejects.toMatchObject({ field: 'STARLING_TLS_CERT_FILE' });
});
