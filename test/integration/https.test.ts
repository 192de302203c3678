import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { fingerprintOf, localCertificate, readTls } from '@starling/server/lib/tls.ts';
import { TestClock } from '@starling/shared/clock.ts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';

const test = useFreshDatabase();
const clock = new TestClock(Date.now());
let folder: string;
let files: Awaited<ReturnType<typeof localCertificate>>;
let api: TestApi;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-tls-'));
  files = await localCertificate(folder, ['starling.test'], clock.now());
  await grantToken(test.database, 'root', 'admin', 'admin-token');
  api = await startTestApi(test.database, { tls: files, clock });
});
afterAll(async () => {
  await api?.stop();
  await rm(folder, { recursive: true, force: true });
});

const ask = (path: string, ca: string, body?: unknown) =>
  new Promise<{ status: number; headers: Record<string, unknown> }>((resolve, reject) => {
    const call = request(
      `${api.url}${path}`,
      { ca, method: body ? 'POST' : 'GET', headers: { 'content-type': 'application/json' } },
      (response) => {
        response.resume();
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
      },
    );
    call.on('error', reject);
    call.end(body && JSON.stringify(body));
  });
const servedFingerprint = () =>
  new Promise<string>((resolve, reject) => {
    const socket = connectTls(
      { port: Number(new URL(api.url).port), host: '127.0.0.1', rejectUnauthorized: false },
      () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      },
    );
    socket.on('error', reject);
  });

it('makes a certificate that those who are given it accept, and no others', async () => {
  expect(api.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  const ca = await readFile(files.certFile, 'utf8');
  const { status, headers } = await ask('/healthz', ca);
  expect(status).toBe(200);
  expect(headers['strict-transport-security']).toContain('max-age');
  await expect(fetch(`${api.url}/healthz`)).rejects.toThrow();
  expect((await stat(files.keyFile)).mode & 0o777).toBe(0o600);
});

it('keeps its session cookie to HTTPS and to this host', async () => {
  const ca = await readFile(files.certFile, 'utf8');
  const { headers } = await ask('/session', ca, { token: 'admin-token' });
  expect(String(headers['set-cookie'])).toMatch(
    /^__Host-starling_session=stl_[^;]+; Path=\/; HttpOnly; SameSite=Strict; Secure;/,
  );
});

it('keeps the certificate it has made, and makes a new one before it ends', async () => {
  const before = fingerprintOf(readTls(files).cert);
  await localCertificate(folder, ['starling.test'], clock.now());
  expect(fingerprintOf(readTls(files).cert)).toBe(before);
  await localCertificate(folder, ['starling.test'], clock.now() + 800 * 86_400_000);
  expect(fingerprintOf(readTls(files).cert)).not.toBe(before);
});

it('takes up a renewed certificate without a restart', async () => {
  const renewed = fingerprintOf(readTls(files).cert);
  expect(await servedFingerprint()).not.toBe(renewed);
  await clock.advance(60_000);
  await vi.waitFor(async () => expect(await servedFingerprint()).toBe(renewed));
});
