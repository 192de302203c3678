import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { proceduresOf } from '@starling/server/api/input-schema.ts';
import { rootRouter } from '@starling/server/api/root.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addJob, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const program = fileURLToPath(new URL('../../apps/server/src/api/print-openapi.ts', import.meta.url));
const document = JSON.parse(
  readFileSync(fileURLToPath(new URL('../../apps/server/src/api/openapi.json', import.meta.url)), 'utf8'),
);
let api: TestApi;

beforeAll(async () => {
  await addRegions(test.database, ['eu']);
  await addBuild(test.database, 'shop');
  await addJob(test.database, 'shop');
  await grantToken(test.database, 'ada', 'admin', 'admin-token');
  await grantToken(test.database, 'vera', 'viewer', 'viewer-token');
  api = await startTestApi(test.database);
});
afterAll(() => api.stop());

async function call(
  method: 'GET' | 'POST',
  path: string,
  { token = 'admin-token', body }: { token?: string; body?: unknown } = {},
) {
  const response = await fetch(`${api.url}/api/v1/${path}`, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, answer: (await response.json()) as never };
}

describe('plain HTTP', () => {
  it('reads with GET and query parameters', async () => {
    const { status, answer } = await call('GET', 'jobs.list?project=shop&limit=1');
    expect(status).toBe(200);
    expect(answer).toMatchObject([{ project: 'shop', status: 'QUEUED' }]);
    expect((await call('GET', 'alerts.list?open=true')).answer).toEqual([]);
    expect((await call('GET', 'session.whoAmI')).answer).toMatchObject({ name: 'ada' });
  });

  it('changes with POST and a JSON body', async () => {
    const [job] = (await call('GET', 'jobs.list?status=QUEUED')).answer as { id: number }[];
    const body = { id: job!.id, reason: 'not needed' };
    expect(await call('POST', 'jobs.cancel', { body })).toMatchObject({ status: 200, answer: { status: 'CANCELLED' } });
  });

  it.each([
    ['GET', 'jobs.list?limit=many', 400, { code: 'INVALID_INPUT', field: 'limit' }],
    [
      'GET',
      'jobs.list?projekt=shop',
      400,
      { code: 'INVALID_INPUT', field: 'projekt', fix: expect.stringContaining('project') },
    ],
    ['GET', 'jobs.get?id=4711', 404, { code: 'NOT_FOUND', field: 'id', fix: expect.any(String) }],
  ] as const)('says what is wrong: %s %s', async (method, path, status, refused) => {
    expect(await call(method, path)).toMatchObject({ status, answer: { ...refused, requestId: expect.any(String) } });
  });

  it('guards as tRPC does', async () => {
    expect(await call('GET', 'jobs.list', { token: '' })).toMatchObject({
      status: 401,
      answer: { code: 'UNAUTHENTICATED' },
    });
    expect(await call('POST', 'jobs.create', { token: 'viewer-token', body: { project: 'shop' } })).toMatchObject({
      status: 403,
      answer: { code: 'FORBIDDEN' },
    });
    expect((await fetch(`${api.url}/api/v1/jobs.create`)).status).toBe(404);
  });
});

describe('the OpenAPI document', () => {
  it('is the one that the router says now', () => {
    const printed = execFileSync(process.execPath, [program], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    expect(JSON.parse(printed), 'print it anew with print-openapi.ts').toEqual(document);
  });

  it('is served, and has every procedure but the streams', async () => {
    const response = await fetch(`${api.url}/api/v1/openapi.json`);
    expect(await response.json()).toEqual(document);
    const expected = [...proceduresOf(rootRouter)].flatMap(([path, { type }]) =>
      type === 'subscription' ? [] : [`${type === 'query' ? 'get' : 'post'} /api/v1/${path}`],
    );
    const there = Object.entries(document.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(there.toSorted()).toEqual(expected.toSorted());
  });

  it.each([
    'jobs.list',
    'builds.list',
    'projects.list',
    'session.whoAmI',
    'machines.list',
    'deployments.list',
    'alerts.channels',
  ])('says truly what %s answers', async (path) => {
    const { answer } = await call('GET', path);
    const { schema } = document.paths[`/api/v1/${path}`].get.responses['200'].content['application/json'];
    const inPlace = JSON.parse(
      JSON.stringify({ ...schema, $defs: document.components.schemas }).replaceAll('#/components/schemas/', '#/$defs/'),
    );
    const parsed = z.fromJSONSchema(inPlace).safeParse(answer);
    expect(parsed.error?.issues ?? []).toEqual([]);
  });
});
