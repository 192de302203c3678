import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ErrorCode, StarlingError } from '@starling/shared/errors.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CliRun, runCli } from './testing/run-cli.ts';
import { sampleOverview } from './testing/samples.ts';
import { type StubServer, startStubServer } from './testing/stub-server.ts';

// The real program as a child process, off a terminal, against a real server over HTTP.

let server: StubServer;
let folder: string;

beforeEach(async () => {
  server = await startStubServer();
  folder = await mkdtemp(join(tmpdir(), 'starling-cli-'));
});

afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const starling = (...words: string[]): Promise<CliRun> =>
  runCli(words, { STARLING_SERVER: server.url, STARLING_TOKEN: 'stl_test' });

describe('which server and token', () => {
  test('without any server it says where it looked and how to start one', async () => {
    const run = await runCli(['status'], { HOME: folder, STARLING_DATA: folder });
    expect(run).toMatchObject({ exitCode: 2, stdout: '' });
    expect(run.stderr).toContain('No server is known');
    expect(run.stderr).toContain(join(folder, 'local.json'));
    expect(run.stderr).toContain('npm start');
    expect(run.stderr).toContain('--server <url>');
  });

  test('a local Starling is found by itself and gets its own token', async () => {
    let token: string | undefined;
    server.answers['session.whoAmI'] = (_input, given) => {
      token = given;
      return { name: 'local', role: 'admin', version: '0.1.0' };
    };
    await writeFile(join(folder, 'local.json'), JSON.stringify({ server: server.url, token: 'stl_local' }));
    const run = await runCli(['whoami', '--json'], { STARLING_DATA: folder });
    expect(run.exitCode).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ name: 'local', server: server.url });
    expect(token).toBe('stl_local');
  });

  test('the token of the local Starling is not sent to another server', async () => {
    let token: string | undefined = 'not asked';
    server.answers['projects.list'] = (_input, given) => {
      token = given;
      return [];
    };
    await writeFile(join(folder, 'local.json'), JSON.stringify({ server: 'http://127.0.0.1:1', token: 'stl_local' }));
    const run = await runCli(['project', 'list', '--server', server.url], { STARLING_DATA: folder });
    expect(run.exitCode).toBe(0);
    expect(token).toBeUndefined();
  });

  test('flags beat the environment, and the environment beats the user file', async () => {
    const tokens: (string | undefined)[] = [];
    server.answers['projects.list'] = (_input, given) => {
      tokens.push(given);
      return [];
    };
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, 'stl_file\n');
    await mkdir(join(folder, 'starling'));
    await writeFile(join(folder, 'starling/config.json'), JSON.stringify({ server: server.url, tokenFile }));
    const surroundings = { XDG_CONFIG_HOME: folder };
    await runCli(['project', 'list'], surroundings);
    await runCli(['project', 'list'], { ...surroundings, STARLING_TOKEN: 'stl_environment' });
    await runCli(['project', 'list', '--token-file', tokenFile], {
      ...surroundings,
      STARLING_TOKEN: 'stl_environment',
    });
    expect(tokens).toEqual(['stl_file', 'stl_environment', 'stl_file']);
    const elsewhere = await runCli(['--server', 'http://127.0.0.1:1', 'project', 'list'], surroundings);
    expect(elsewhere.stderr).toContain('http://127.0.0.1:1 (from --server) cannot be reached');
  });

  test('a token that cannot be sent is refused without being shown', async () => {
    const run = await runCli(['status'], { STARLING_SERVER: server.url, STARLING_TOKEN: 'secret\u00e9 word' });
    expect(run.exitCode).toBe(3);
    expect(run.stdout + run.stderr).not.toContain('secret');
  });

  test('a server that is not there: its address, the cause, the next step', async () => {
    await server.stop();
    const run = await starling('status');
    expect(run).toMatchObject({ exitCode: 1, stdout: '' });
    expect(run.stderr).toContain(server.url);
    expect(run.stderr).toContain('ECONNREFUSED');
    expect(run.stderr).toContain('npm start');
    server = await startStubServer();
  });

  test('an address where something else answers', async () => {
    const other = createServer((_request, response) => response.end('<html>')).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const run = await runCli(['status', '--server', `http://127.0.0.1:${(other.address() as AddressInfo).port}`]);
    other.close();
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain('not as a Starling server does');
  });

  test('an access file of another account is said to be unreadable, not absent', async ({ skip }) => {
    const file = join(folder, 'local.json');
    await writeFile(file, '{}');
    await chmod(file, 0);
    const readable = await readFile(file).then(
      () => true,
      () => false,
    );
    skip(readable, 'root reads everything');
    const run = await runCli(['status'], { STARLING_DATA: folder });
    expect(run.stderr).toContain('cannot be read');
  });
});

describe('exit codes and messages', () => {
  const refusals: [ErrorCode, number][] = [
    ['INVALID_INPUT', 2],
    ['UNAUTHENTICATED', 3],
    ['FORBIDDEN', 3],
    ['NOT_FOUND', 4],
    ['CONFLICT', 5],
    ['PRECONDITION_FAILED', 5],
  ];
  test.each(refusals)('%s ends with %i and keeps stdout empty', async (code, exitCode) => {
    server.answers['deployments.deploy'] = () => {
      throw new StarlingError(code, 'this is refused', { field: 'build', fix: 'do the other thing' });
    };
    const run = await starling('deploy', 'hello', '1a2b3c', '--json');
    expect(run).toMatchObject({ exitCode, stdout: '' });
    expect(run.stderr).toContain('request-1');
    if (code !== 'UNAUTHENTICATED') {
      expect(run.stderr).toContain('this is refused (build)');
      expect(run.stderr).toContain('do the other thing');
    }
  });

  test('a server without a token to show asks for one', async () => {
    server.answers['overview.get'] = (_input, token) => {
      if (!token) throw new StarlingError('UNAUTHENTICATED', 'You are not signed in.');
      return sampleOverview();
    };
    const run = await runCli(['status', '--server', server.url]);
    expect(run.exitCode).toBe(3);
    expect(run.stderr).toContain('STARLING_TOKEN');
  });

  test.each([
    [['deploy', 'hello']],
    [['nonsense']],
    [['build', 'Hello World']],
    [['build', 'hello', '--wait', '--timeout', 'soon']],
    [['deployment', 'three']],
    [['machines', '--limit', '0']],
    [[]],
  ])('usage: %j ends with 2', async (words) => {
    const run = await starling(...words);
    expect(run).toMatchObject({ exitCode: 2, stdout: '' });
    expect(run.stderr).not.toBe('');
    expect(server.calls).toEqual([]);
  });

  test('asked-for help and version are data', async () => {
    const help = await starling('deploy', '--help');
    expect(help).toMatchObject({ exitCode: 0, stderr: '' });
    expect(help.stdout).toContain('--dry-run');
    expect((await starling('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('a defect is one line, with its stack only when asked for', async () => {
    // A nonsense answer, such as a newer server may give.
    server.answers['deployments.list'] = () => null;
    const brief = await starling('deployments');
    expect(brief.exitCode).toBe(1);
    expect(brief.stderr).toContain('STARLING_DEBUG=1');
    expect(brief.stderr).not.toContain('    at ');
    const detailed = await runCli(['deployments'], { STARLING_SERVER: server.url, STARLING_DEBUG: '1' });
    expect(detailed.stderr).toContain('    at ');
  });
});
