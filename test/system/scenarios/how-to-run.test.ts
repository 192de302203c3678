import { execFileSync, spawnSync } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createDatabase, startEmbeddedPostgres } from '@starling/local/embedded-postgres.ts';
import { choosePorts } from '@starling/local/ports.ts';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { root } from '../../documents/read-document.ts';
import { type Fill, openReader, type ReaderOptions } from '../../documents/reader.ts';
import { type StarlingUnderTest, startUnderTest } from '../starling-under-test.ts';
import { startExtraMachine } from './extra-machine.ts';
import { newBuild } from './shop.ts';

// What docs/how-to says to those who run Starling for others, followed with a fleet of two regions, and the machines that it names.

const patience = { timeout: 60_000, interval: 200 };
const password = 'correct horse battery';
const machines = ['eu-0815', 'm-117', 'm-118'];
const mails: string[] = [];
const posts: string[] = [];
let starling: StarlingUnderTest;
let stop: (() => Promise<unknown>)[] = [];

const mailServer = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onData(stream, _session, done) {
    let mail = '';
    stream.on('data', (chunk: Buffer) => (mail += chunk.toString())).on('end', () => done(null, void mails.push(mail)));
  },
});
const receiver = createServer((request, response) => {
  posts.push(request.url!);
  request.resume().on('end', () => response.end());
});

beforeAll(async () => {
  const listening = (server: { listen(port: number, host: string, ready: () => void): unknown }) =>
    new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await Promise.all([listening(mailServer), listening(receiver)]);
  const { port } = mailServer.server.address() as AddressInfo;
  starling = await startUnderTest({
    machinesPerRegion: 1,
    regions: ['eu', 'us'],
    settings: {
      STARLING_SMTP_URL: `smtp://127.0.0.1:${port}`,
      STARLING_MAIL_FROM: 'starling@example.com',
      STARLING_ALERTS_EVERY: '1s',
    },
  });
  const extra = await Promise.all(machines.map((machine) => startExtraMachine(starling, machine, 'eu')));
  stop = extra.map(
    ({ child }) =>
      () =>
        child.stop(),
  );
  const build = await newBuild(starling);
  await starling.api.deployments.deploy.mutate({ project: 'shop', build });
  await vi.waitFor(async () => {
    const list = await starling.api.machines.list.query({ project: 'shop', limit: 100 });
    expect(list.map(({ projects: [state] }) => state?.step)).toEqual(Array(5).fill('COMMITTED'));
  }, patience);
});
afterAll(async () => {
  await Promise.all(stop.map((step) => step()));
  await starling?.discard();
  receiver.close();
  await new Promise<void>((resolve) => mailServer.close(resolve));
});

/** Each document has a folder of its own to type in. */
async function read(path: string, fill: Fill = {}, more: Partial<ReaderOptions> = {}) {
  const folder = join(starling.data, 'typed', path.replaceAll(/\W/g, '-'));
  await mkdir(folder, { recursive: true });
  return { folder, reader: await openReader(path, { data: starling.data, folder, fill, ...more }) };
}
const secret = (name: string) => join(starling.data, 'secrets', name);
const blobs = (name: string) => pathToFileURL(join(starling.data, 'blobs', name)).href;
const serverProgram = { 'apps/server/src/main.ts': join(root, 'apps/server/src/main.ts') };

it('identities', async () => {
  const invitation = async () => String((await starling.api.identities.invitations.query({}))[0]!.id);
  const { reader } = await read('docs/how-to/identities.md', { '17': invitation });
  const let1 = await reader.follow('Let one in');
  let1.saw('prints the token, this once', 'enrol hub', /\S{30,}/);
  const many = await reader.follow('Ten thousand machines from an image');
  if (many.of('identities').output !== '') expect(many.of('identities').stdout.trim()).toBe('4');
  expect(many.of('enrol list').output).toMatch(/10,?000/);
  await reader.follow('Shut one out');
  await vi.waitFor(async () => {
    const [machine] = await starling.api.machines.list.query({ find: 'eu-0815', limit: 1 });
    expect(machine).toMatchObject({ online: false });
  }, patience);
  await reader.follow('Machines that are no more');
  const left = await starling.api.machines.list.query({ limit: 100 });
  expect(left.map(({ id }) => id).toSorted()).toEqual(['eu-0815', 'eu-1', 'us-1']);
  await reader.end();
});

it('alerts', async () => {
  const { folder, reader } = await read('docs/how-to/alerts.md');
  const { port } = receiver.address() as AddressInfo;
  await writeFile(join(folder, 'slack-webhook.txt'), `http://127.0.0.1:${port}/slack\n`);
  await writeFile(join(folder, 'pager-url.txt'), `http://127.0.0.1:${port}/pager\n`);
  await writeFile(join(folder, 'pager-secret.txt'), 'a-secret-of-16-or-more\n');
  const added = await reader.follow('Add a channel');
  expect(added.of('alerts test oncall').output).toContain('It arrived.');
  expect(mails.join('\n')).toContain('To: oncall@example.com');
  await starling.api.deployments.deploy.mutate({ project: 'shop', build: await newBuild(starling) });
  await vi.waitFor(() => expect(posts).toEqual(expect.arrayContaining(['/slack', '/pager'])), patience);
  const delivered = await reader.follow('Delivery');
  expect(delivered.of('alerts resend').output).toMatch(/sent again/);
  await reader.end();
});

it('retention', async () => {
  const { reader } = await read('docs/how-to/retention.md');
  const swept = await reader.follow('See it, or do it now');
  expect(swept.of('gc --dry-run').output).not.toBe('');
  await reader.end();
});

it('history-and-audit', async () => {
  const ends = join(starling.data, 'audit-ends');
  const [build] = await starling.api.builds.list
    .query({ project: 'shop', limit: 10 })
    .then((list) => list.toReversed());
  const { reader } = await read('docs/how-to/history-and-audit.md', {
    '/elsewhere/audit-ends': ends,
    '1a2b3c': build!.id.split('@')[1]!.slice(0, 4),
  });
  const who = await reader.follow('Who deployed what, when, why, and how it ended');
  who.saw('4 digits of its SHA are enough', 'history --build', new RegExp(build!.id));
  await reader.follow('How well it goes');
  const every = await reader.follow('Every change, and by whom');
  expect(every.of('audit --action deployment.start').output).toContain('shop');
  await reader.follow('Prove that nothing was taken out');
  await reader.end();
});

it('sign-in', async () => {
  const newestToken = async () => {
    const [token] = (await starling.api.tokens.list.query({})).filter(({ name }) => name === 'ci');
    return String(token!.id);
  };
  const { folder, reader } = await read('docs/how-to/sign-in.md', {
    'https://starling.example.com': starling.url,
    '17': newestToken,
  });
  await copyFile(secret('admin.token'), join(folder, 'admin.token'));
  const typed = `${password}\n`;
  const first = await reader.follow('The first administrator', {
    answers: { 'accounts add': typed, 'login ada': typed },
  });
  expect(first.of('login ada').output).toMatch(/ada/);
  await reader.mention('Roles', 'accounts grant ada deployer --project shop');
  const tokens = await reader.follow('Tokens');
  expect(tokens.of('tokens create').stdout).toMatch(/stl_/);
  await reader.end();
});

it('scale-workers', async () => {
  const waiting = async () => String((await starling.api.jobs.list.query({ project: 'shop', limit: 1 }))[0]!.id);
  const { folder, reader } = await read('docs/how-to/scale-workers.md', {
    ...serverProgram,
    'postgres://…': `'${starling.databaseUrl}'`,
    '/var/lib/starling': join(starling.data, 'typed', 'worker'),
    's3://builds?region=eu-central-1': blobs('main'),
    '/etc/starling/manifest.key': secret('manifest.key'),
    'https://starling.example.com': starling.url,
    '/etc/starling/enrolment.token': 'enrolment.token',
    '12': waiting,
  });
  const { token } = await starling.api.identities.invite.mutate({ kind: 'worker', expiresInHours: 1 });
  await writeFile(join(folder, 'enrolment.token'), `${token}\n`, { mode: 0o600 });
  await mkdir(join(starling.data, 'typed', 'worker'), { recursive: true });
  await reader.follow('Add one', { background: { 'DATABASE_URL=': /enrolled/ } });
  await vi.waitFor(
    async () => expect((await reader.mention('Add one', 'workers')).output).toContain('build-7'),
    patience,
  );
  const drained = await reader.follow('Drain one');
  expect(drained.of('workers').output).toMatch(/build-7.*DRAINING/i);
  for (const name of ['worker-1', 'worker-2', 'build-7']) await starling.api.workers.drain.mutate({ name });
  await starling.api.jobs.create.mutate({ project: 'shop', ref: 'main', force: true });
  expect((await reader.mention('Labels', 'queue')).output).toMatch(/1/);
  const first = await reader.follow('Build one before the others');
  first.saw('higher goes first', 'prioritise', /priority 50/);
  for (const name of ['worker-1', 'worker-2']) await starling.api.workers.resume.mutate({ name });
  await reader.end();
});

it('several-servers', async () => {
  const [chosen] = await choosePorts([{ name: 'control-2', port: 0 }], '127.0.0.1');
  const environment = {
    DATABASE_URL: starling.databaseUrl,
    STARLING_PORT: String(chosen!.port),
    STARLING_BLOBS: blobs('main'),
    STARLING_REGIONS: ['eu', 'us'].map((region) => `${region}=${blobs(region)}`).join(' '),
    STARLING_VERSION_SIGNING_KEY: secret('version.key'),
    STARLING_IDENTITY_SIGNING_KEY: secret('identity.key'),
    STARLING_ADMIN_TOKEN_FILE: secret('admin.token'),
    STARLING_WEBHOOK_SECRET_FILE: secret('webhook.secret'),
  };
  const { reader } = await read('docs/how-to/several-servers.md', serverProgram, { environment });
  const started = await reader.follow('Start another', {
    background: { 'node apps/server/src/main.ts control': /API and console on/ },
  });
  started.saw('which server leads which loop', 'servers', /rollouts/);
  await reader.end();
});

const whyNoKeys = spawnSync('openssl', ['version']).status === 0 ? undefined : 'there is no openssl here';
if (whyNoKeys) console.warn(`SKIPPED: run-on-real-machines, as ${whyNoKeys}`);
it.skipIf(whyNoKeys !== undefined)('run-on-real-machines', async () => {
  const database = await startEmbeddedPostgres({ folder: join(starling.data, 'real', 'postgres') });
  try {
    await createDatabase(database, 'starling');
    const [chosen] = await choosePorts([{ name: 'real control', port: 0 }], '127.0.0.1');
    const store = (name: string) => pathToFileURL(join(starling.data, 'real', name)).href;
    for (const name of ['main', 'eu', 'us']) await mkdir(join(starling.data, 'real', name));
    const { folder, reader } = await read(
      'docs/how-to/run-on-real-machines.md',
      {
        ...serverProgram,
        'postgres://starling:…@db.example.org/starling': `'${database.urlOf('starling')}'`,
        '0.0.0.0': '127.0.0.1',
        's3://starling-main?region=eu-central-1': store('main'),
        's3://starling-eu?region=eu-central-1': store('eu'),
        's3://starling-us?region=us-east-1': store('us'),
        'https://starling.example.org': `https://127.0.0.1:${chosen!.port}`,
      },
      { environment: { STARLING_PORT: String(chosen!.port), NODE_EXTRA_CA_CERTS: 'starling.pem' } },
    );
    const certificate =
      'req -x509 -newkey ed25519 -nodes -days 2 -subj /CN=starling -addext subjectAltName=IP:127.0.0.1';
    const files = ['-keyout', join(folder, 'starling-tls.key'), '-out', join(folder, 'starling.pem')];
    execFileSync('openssl', [...certificate.split(' '), ...files], { stdio: 'ignore' });
    await reader.follow('Run it on real machines', { background: { 'DATABASE_URL=': /API and console on/ } });
    for (const kind of ['worker', 'hub', 'agents']) {
      expect(await readFile(join(folder, `${kind}.token`), 'utf8')).toMatch(/^\S{30,}\n$/);
    }
    await reader.follow('HTTPS between agents and hubs');
    const verified = execFileSync('openssl', ['verify', '-CAfile', join(folder, 'ca.pem'), join(folder, 'hub.pem')]);
    expect(verified.toString()).toContain('OK');
    await reader.end();
  } finally {
    await database.stop();
  }
});
