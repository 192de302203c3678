import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fillIn } from './measurement.ts';
import { isAllowed, probe } from './probe.ts';
import { queryPrometheus } from './prometheus.ts';

// A server that answers as Prometheus 2 and 3 do: https://prometheus.io/docs/prometheus/latest/querying/api/

let base = '';
let asked: URL[] = [];
let answer: (response: ServerResponse) => void;
const server = createServer((request, response) => {
  asked.push(new URL(request.url ?? '', 'http://here'));
  answer(response);
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked = [];
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const says = (body: unknown, status = 200) => {
  answer = (response) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};
const vector = (...values: string[]) => ({
  status: 'success',
  data: {
    resultType: 'vector',
    result: values.map((value, at) => ({ metric: { instance: `i${at}` }, value: [1_700_000_000.123, value] })),
  },
});
const ask = (more: Partial<Parameters<typeof queryPrometheus>[0]> = {}) =>
  queryPrometheus({
    base,
    query: 'sum(rate(errors[1m]))',
    condition: '< 0.01',
    failCondition: undefined,
    timeoutMs: 5_000,
    signal: new AbortController().signal,
    ...more,
  });

describe('a query to Prometheus', () => {
  it.each([
    [['0'], {}, 'SUCCESSFUL', '0 < 0.01'],
    [['0.001', '0.0099'], {}, 'SUCCESSFUL', '0.001, 0.0099 < 0.01'],
    [['0', '0.02'], {}, 'FAILED', '0.02 is not < 0.01'],
    [['+Inf'], {}, 'FAILED', 'Infinity is not < 0.01'],
    [['-Inf'], {}, 'SUCCESSFUL', '-Infinity < 0.01'],
    [['1e-3'], {}, 'SUCCESSFUL', '0.001 < 0.01'],
    [[], {}, 'INCONCLUSIVE', 'the query gave no value'],
    [['NaN'], {}, 'INCONCLUSIVE', 'the query gave NaN'],
    [['0', 'NaN', '9'], {}, 'INCONCLUSIVE', 'the query gave NaN'],
    [['0.03'], { failCondition: '>= 0.05' }, 'INCONCLUSIVE', '0.03 is neither < 0.01 nor >= 0.05'],
    [['0.05'], { failCondition: '>= 0.05' }, 'FAILED', '0.05 is >= 0.05'],
    [['0.001'], { failCondition: '>= 0.05' }, 'SUCCESSFUL', '0.001 < 0.01'],
    [['1'], { condition: '== 1' }, 'SUCCESSFUL', '1 == 1'],
    [['1'], { condition: '!=1' }, 'FAILED', '1 is not !=1'],
  ])('that gives %j with %j is %s', async (values, more, verdict, detail) => {
    says(vector(...values));
    expect(await ask(more)).toEqual({ verdict, detail });
  });

  it('may give a scalar', async () => {
    says({ status: 'success', data: { resultType: 'scalar', result: [1_700_000_000, '0.5'] } });
    expect(await ask()).toEqual({ verdict: 'FAILED', detail: '0.5 is not < 0.01' });
  });

  it('is asked as it is written, below the address that was given', async () => {
    says(vector('0'));
    await ask({ base: `${base}/prometheus/`, query: 'up{job="a&b"} + 1', timeoutMs: 2_000 });
    expect(asked[0]!.pathname).toBe('/prometheus/api/v1/query');
    expect(Object.fromEntries(asked[0]!.searchParams)).toEqual({ query: 'up{job="a&b"} + 1', timeout: '2000ms' });
  });

  it.each([
    [
      'a mistake in the query',
      { status: 'error', errorType: 'bad_data', error: 'parse error' },
      400,
      /bad_data: parse error$/,
    ],
    ['a matrix', { status: 'success', data: { resultType: 'matrix', result: [] } }, 200, /no vector and no scalar/],
    ['another service', { hello: 'world' }, 200, /answered 200 with something/],
  ])('that meets %s is an ERROR', async (_, body, status, detail) => {
    says(body, status);
    expect(await ask()).toEqual({ verdict: 'ERROR', detail: expect.stringMatching(detail) });
  });

  it('that meets no JSON, silence, a closed port or too much is an ERROR', async () => {
    answer = (response) => response.writeHead(503).end('<html>');
    expect(await ask()).toEqual({ verdict: 'ERROR', detail: 'Prometheus: it answered 503, and no JSON' });
    answer = () => {};
    expect(await ask({ timeoutMs: 50 })).toEqual({
      verdict: 'ERROR',
      detail: expect.stringMatching(/did not answer in time$/),
    });
    expect(await ask({ base: 'http://127.0.0.1:1' })).toMatchObject({ verdict: 'ERROR' });
    answer = (response) => response.end(`"${'x'.repeat(2 * 1024 * 1024)}"`);
    expect(await ask()).toEqual({ verdict: 'ERROR', detail: 'Prometheus: its answer is larger than 1 MiB' });
  });
});

describe('a probe', () => {
  const signal = new AbortController().signal;
  it.each([
    [200, 'SUCCESSFUL'],
    [204, 'SUCCESSFUL'],
    [302, 'FAILED'],
    [404, 'FAILED'],
    [500, 'FAILED'],
  ])('that is answered with %s is %s', async (status, verdict) => {
    answer = (response) => response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end();
    expect(await probe({ url: `${base}/health?secret=1`, timeoutMs: 5_000, signal })).toEqual({
      verdict,
      detail: `${new URL(base).host}/health answered ${status}`,
    });
  });

  it('that is not answered is an ERROR, and link-local is never asked', async () => {
    expect(await probe({ url: 'http://127.0.0.1:1/', timeoutMs: 5_000, signal })).toMatchObject({ verdict: 'ERROR' });
    const metadata = await probe({ url: 'http://169.254.169.254/latest/', timeoutMs: 5_000, signal });
    expect(metadata).toEqual({ verdict: 'ERROR', detail: expect.stringContaining('link-local') });
  });

  it.each([
    ['https://shop.example.com/health', ['https://shop.example.com'], true],
    ['https://shop.example.com/health', ['https://shop.example.com/health'], true],
    ['https://shop.example.com/health/deep?x=1', ['https://shop.example.com/health'], true],
    ['https://shop.example.com/healthy', ['https://shop.example.com/health'], false],
    ['https://shop.example.com/health/../admin', ['https://shop.example.com/health'], false],
    ['http://shop.example.com/', ['https://shop.example.com'], false],
    ['https://shop.example.com.evil.org/', ['https://shop.example.com'], false],
    ['https://shop.example.com@evil.org/', ['https://shop.example.com'], false],
    ['https://u:p@shop.example.com/', ['https://shop.example.com'], false],
    ['https://shop.example.com:8443/', ['https://shop.example.com'], false],
    ['https://shop.example.com/', [], false],
  ])('of %s with %j allowed: %s', (url, allowed, expected) => {
    expect(isAllowed(url, allowed)).toBe(expected);
  });
});

it('the deployment is put in its place, and nothing else is', () => {
  const deployment = { id: 7, project: 'shop', build: 'shop@1a2b', commitSha: 'abc', previousBuild: null };
  expect(fillIn('e{b="{{build}}",c="{{ commit }}"} {{deployment}}/{{previousBuild}} {{toString}}', deployment)).toBe(
    'e{b="shop@1a2b",c="abc"} 7/ {{toString}}',
  );
});
