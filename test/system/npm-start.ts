import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type ApiClient, connectApi } from '@starling/local/api-client.ts';
import type { LocalAccess } from '@starling/shared/data-folder.ts';
import { expect, vi } from 'vitest';
import type { Fill } from '../documents/reader.ts';

const bootstrap = fileURLToPath(new URL('../../apps/local/bootstrap.mjs', import.meta.url));

export interface NpmStart {
  child: ChildProcess;
  /** All that it said. */
  text(): string;
  /** Its exit code. */
  ended: Promise<number | null>;
  /** Waits until it says how to go on. */
  ready(): Promise<void>;
  /** As Ctrl-C does. */
  interrupt(): Promise<number | null>;
}

/** `npm start` itself, as its own process, on free ports unless told otherwise. */
export function npmStart(data: string, environment: Record<string, string> = {}, ...options: string[]): NpmStart {
  const child = spawn(process.execPath, [bootstrap, 'start', ...options], {
    env: { ...process.env, STARLING_DATA: data, STARLING_PORT: '0', ...environment },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  return {
    child,
    text: () => text,
    ended,
    ready: () =>
      vi.waitFor(() => expect(text).toContain('Ctrl-C stops everything'), { timeout: 120_000, interval: 100 }),
    interrupt: () => {
      child.kill('SIGINT');
      return ended;
    },
  };
}

export interface LocalApi extends LocalAccess {
  api: ApiClient;
}

/** The API of the Starling that runs with this data folder, as its administrator. */
export async function apiOf(data: string): Promise<LocalApi> {
  const access = JSON.parse(await readFile(join(data, 'local.json'), 'utf8')) as LocalAccess;
  return { ...access, api: connectApi(access.server, access.token) };
}

/** What documents leave to be filled in that speak of the sample service. */
export function sampleFill(data: string): Fill {
  const build = async (tag: string) => {
    const repository = join(data, 'sample', 'hello');
    const { stdout } = await promisify(execFile)('git', ['-C', repository, 'rev-parse', `${tag}^{commit}`]);
    return `hello@${stdout.slice(0, 12)}`;
  };
  const tags = Object.fromEntries(['v1', 'v2', 'v3'].map((tag) => [`<build of ${tag}>`, () => build(tag)]));
  const newest = async () => {
    const [deployment] = await (await apiOf(data)).api.deployments.list.query({ project: 'hello', limit: 1 });
    return String(deployment!.id);
  };
  return {
    ...tags,
    '<the build>': () => build('v2'),
    '<that build>': () => build('v3'),
    '<deployment>': newest,
    '<its number>': newest,
  };
}
