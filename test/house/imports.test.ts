import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

// The plan of the house, as a test: which room may import which. ARCHITECTURE.md says why.

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The rooms of the server, each with the rooms it may import; only the files beside them import freely. */
const serverRooms: Record<string, string[]> = {
  analysis: ['db', 'lib', 'steering'],
  accounts: ['audit', 'db', 'lib'],
  alerts: ['db', 'lib'],
  api: [
    'accounts',
    'alerts',
    'analysis',
    'audit',
    'db',
    'diff',
    'doctor',
    'fleet',
    'forecast',
    'gates',
    'history',
    'identities',
    'jobs',
    'lib',
    'retention',
    'steering',
    'tasks',
    'webhooks',
    'workers',
  ],
  artifacts: ['lib'],
  audit: ['db'],
  blobs: ['lib'],
  builder: ['artifacts', 'blobs', 'lib', 'processes'],
  db: ['lib'],
  diff: ['blobs', 'db'],
  doctor: ['blobs', 'db'],
  fleet: ['db'],
  forecast: ['blobs', 'db', 'diff', 'fleet', 'hub/handout.ts', 'lib', 'steering'],
  gates: ['audit', 'db', 'lib', 'steering', 'tasks'],
  history: ['db'],
  hub: ['blobs', 'lib'],
  identities: ['audit', 'db', 'lib'],
  jobs: ['builder/ports.ts', 'db', 'lib'],
  lib: [],
  metrics: ['db', 'lib', 'workers'],
  monitor: ['lib'],
  processes: ['lib'],
  regions: ['db'],
  retention: ['audit', 'blobs', 'db', 'lib'],
  review: ['builder/git.ts', 'gates'],
  rollouts: ['audit', 'db', 'fleet', 'lib', 'steering', 'version-keys'],
  steering: ['db', 'fleet'],
  synchronizer: ['blobs', 'db', 'lib'],
  tasks: ['db', 'lib', 'processes'],
  'version-keys': ['db', 'lib'],
  workers: ['db', 'lib'],
  webhooks: ['audit', 'db', 'jobs', 'lib'],
};

/** The workspaces, each with those it may import; `type:` ones only as types. */
const workspaces: Record<string, string[]> = {
  'packages/shared': [],
  'packages/host': ['shared'],
  'packages/packs': ['host', 'shared'],
  'packages/swarm': ['host', 'shared'],
  'apps/agent': ['host', 'packs', 'shared', 'swarm'],
  'apps/server': ['host', 'packs', 'shared', 'swarm'],
  'apps/cli': ['shared', 'type:server'],
  'apps/desktop': ['shared', 'type:server'],
  'apps/local': ['host', 'shared', 'type:server'],
};

interface Import {
  from: string;
  target: string;
  typeOnly: boolean;
}

const isTest = (file: string) => /\.test\.tsx?$|(^|\/)testing\/|test-[a-z-]+\.ts$|-contract\.ts$/.test(file);

function sourcesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const pattern =
    /^\s*(?:import|export)\s+(type\s+)?(?:[^'"]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm;
  return [...text.matchAll(pattern)].map(([, type, staticTarget, dynamicTarget]) => {
    const target = staticTarget ?? dynamicTarget ?? '';
    const from = target.startsWith('.') ? join(dirname(file), target).split(sep).join('/') : target;
    return { from: file, target: from, typeOnly: type !== undefined };
  });
}

describe('imports point one way', () => {
  it.each(Object.entries(serverRooms))('server/%s imports only what it may', (room, allowed) => {
    const base = 'apps/server/src/';
    const wrong = sourcesBelow(`${base}${room}`)
      .filter((file) => !isTest(file))
      .flatMap(importsOf)
      .filter(({ target }) => target.startsWith(base) && !target.startsWith(`${base}${room}/`))
      .filter(
        ({ target }) => !allowed.some((other) => target === base + other || target.startsWith(`${base}${other}/`)),
      );
    expect(wrong).toEqual([]);
  });

  it('every room of the server is on the plan', () => {
    const rooms = readdirSync(join(root, 'apps/server/src'), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    expect(rooms.map((entry) => entry.name).toSorted()).toEqual(Object.keys(serverRooms).toSorted());
  });

  it.each(Object.entries(workspaces))('%s imports only the workspaces it may', (workspace, allowed) => {
    const wrong = sourcesBelow(`${workspace}/src`)
      .filter((file) => !isTest(file))
      .flatMap(importsOf)
      .filter(({ target, typeOnly }) => {
        const scoped = /^@starling\/([a-z-]+)\//.exec(target)?.[1];
        const own = workspace.split('/')[1];
        if (scoped)
          return scoped !== own && !allowed.includes(scoped) && !(typeOnly && allowed.includes(`type:${scoped}`));
        // By path, only the schema is reached from outside of its folder, and only by the server.
        const inside = target.startsWith(`${workspace}/`) || !/^(apps|packages|drizzle|test|bench|docs)\//.test(target);
        return !inside && !(workspace === 'apps/server' && target.startsWith('drizzle/schema/'));
      });
    expect(wrong).toEqual([]);
  });

  it('features of the console never import each other', () => {
    const base = 'apps/desktop/src/renderer/features/';
    const featureOf = (path: string) => (path.startsWith(base) ? path.slice(base.length).split('/')[0] : undefined);
    const wrong = sourcesBelow(base)
      .flatMap(importsOf)
      .filter(({ from, target }) => featureOf(target) !== undefined && featureOf(target) !== featureOf(from));
    expect(wrong).toEqual([]);
  });

  it('the renderer knows nothing of Electron or Node', () => {
    const wrong = sourcesBelow('apps/desktop/src/renderer')
      .filter((file) => !isTest(file))
      .flatMap(importsOf)
      .filter(
        ({ target }) =>
          target === 'electron' || target.startsWith('node:') || target.startsWith('apps/desktop/src/main/'),
      );
    expect(wrong).toEqual([]);
  });
});

describe('each habit has one place', () => {
  const sources = Object.keys(workspaces)
    .flatMap((workspace) => sourcesBelow(`${workspace}/src`))
    .filter((file) => !isTest(file));

  it('only config.ts reads the environment', () => {
    const readers = sources.filter((file) => /process\.env\b/.test(readFileSync(join(root, file), 'utf8')));
    expect(readers.filter((file) => !file.endsWith('/config.ts'))).toEqual([]);
  });

  it('no file is so long that it hides a second room', () => {
    const long = sources.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length > 500);
    expect(long).toEqual([]);
  });

  it('no name hides a room without a purpose', () => {
    expect(sources.filter((file) => /(^|[/.-])(manager|helpers?|utils?|common|misc)([/.-])/.test(file))).toEqual([]);
  });

  it('webtorrent brings no WebRTC binary along', () => {
    const installed = readdirSync(join(root, 'node_modules'));
    expect(installed).not.toContain('node-datachannel');
  });
});
