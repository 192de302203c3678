import { allows, identityAllows, type Permission, permissions } from '@starling/shared/permissions.ts';
import { roles } from '@starling/shared/words.ts';
import type { TRPCError } from '@trpc/server';
import { describe, expect, it } from 'vitest';
import type { Caller, Context } from './context.ts';
import { rootRouter } from './root.ts';
import * as scopes from './scopes.ts';
import { createCallerFactory, type ProcedureMeta } from './trpc.ts';

const procedures = Object.entries(
  rootRouter._def.procedures as unknown as Record<string, { _def: { type: string; meta?: ProcedureMeta } }>,
).map(([path, { _def }]) => ({ path, type: _def.type, meta: _def.meta }));

const scopeNames = new Set(
  Object.values(scopes).flatMap((value) =>
    typeof value === 'object' && value && 'projectOf' in value ? [value.name] : [],
  ),
);

describe('every procedure', () => {
  it.each(procedures)('$path names the permission it needs, and where', ({ meta }) => {
    expect(permissions as readonly (string | undefined)[]).toContain(meta?.permission);
    expect(scopeNames).toContain(meta?.scope);
  });

  it('that changes something needs more than looking', () => {
    const loose = procedures.filter(({ type, meta }) => type === 'mutation' && meta?.permission === 'view');
    expect(loose.map(({ path }) => path)).toEqual([]);
  });

  // Written by hand, so that whoever loosens a right sees it in the review.
  it('that administers is one of these', () => {
    const found = procedures.filter(({ meta }) => meta?.permission === 'administer').map(({ path }) => path);
    const expected = [
      'accounts.',
      'alerts.',
      'audit.',
      'doctor.',
      'freezes.',
      'identities.',
      'machines.',
      'projects.',
      'retention.',
      'webhooks.',
      'workers.',
    ];
    expect(found.filter((path) => !expected.some((prefix) => path.startsWith(prefix)))).toEqual([]);
  });
});

/** A database that was never asked: whoever is refused must be refused before anything is read of it. */
const nothing = new Proxy(
  {},
  {
    get: () => {
      throw new Error('reached');
    },
  },
);

function callAs(caller: Caller | undefined, path: string): Promise<unknown> {
  const ctx = { caller, requestId: 'r', database: nothing, log: { error: () => {} } } as unknown as Context;
  let found = createCallerFactory(rootRouter)(ctx) as unknown as Record<string, unknown>;
  for (const name of path.split('.')) found = found[name] as Record<string, unknown>;
  return (found as unknown as (input: unknown) => Promise<unknown>)({ project: 'shop' });
}

async function refusalOf(caller: Caller | undefined, path: string): Promise<string | undefined> {
  try {
    await callAs(caller, path);
    return undefined;
  } catch (thrown) {
    const { code } = thrown as TRPCError;
    return code === 'FORBIDDEN' || code === 'UNAUTHORIZED' ? code : undefined;
  }
}

const person = (grants: { project: string; role: (typeof roles)[number] }[]): Caller => ({
  kind: 'person',
  name: 'ada',
  account: 1,
  grants,
  most: null,
});
/** Scopes that look the project up need a database: the integration tests call those. */
const readable = procedures.filter(
  ({ meta }) => !['job', 'deployment', 'build', 'deployment or build', 'freeze'].includes(meta!.scope),
);

describe.each(readable)('$path', ({ path, meta }) => {
  const { permission, scope } = meta as { permission: Permission; scope: string };

  it('is for nobody who is not signed in', async () => {
    expect(await refusalOf(undefined, path)).toBe('UNAUTHORIZED');
  });

  it.each(roles)('asks a %s for its permission', async (role) => {
    const everywhere = [{ project: '*', role }];
    const may = permission === 'signed-in' || allows(everywhere, permission, '*');
    expect(await refusalOf(person(everywhere), path)).toBe(may ? undefined : 'FORBIDDEN');
  });

  it('is not for somebody of another project', async () => {
    const grants = [{ project: 'books', role: 'admin' as const }];
    const may = permission === 'signed-in' || (scope === 'somewhere' && allows(grants, permission, 'books'));
    expect(await refusalOf(person(grants), path)).toBe(may ? undefined : 'FORBIDDEN');
  });

  it('is for hubs only when it is made for them', async () => {
    const hub: Caller = { kind: 'hub', name: 'h', region: 'eu' };
    expect(await refusalOf(hub, path)).toBe(identityAllows('hub', permission) ? undefined : 'FORBIDDEN');
  });
});
