import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { checkConnection } from './connection.ts';

describe('the doctor of the way there', () => {
  it('finds a server and its clock', async () => {
    const server = createServer((_request, response) => response.end('{}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await checkConnection(url)).toMatchObject([
      { check: 'server', status: 'good' },
      { check: 'clock', status: 'good' },
    ]);
    const late = createServer((_request, response) =>
      response
        .setHeader('date', new Date(Date.now() - 3_600_000).toUTCString())
        .writeHead(503)
        .end(),
    );
    await new Promise<void>((resolve) => late.listen(0, '127.0.0.1', resolve));
    expect(await checkConnection(`http://127.0.0.1:${(late.address() as AddressInfo).port}`)).toMatchObject([
      { check: 'server', status: 'bad', detail: expect.stringContaining('HTTP 503') },
      { check: 'clock', status: 'warn', detail: expect.stringContaining('ahead of the server') },
    ]);
    server.close();
    late.close();
    expect(await checkConnection(url)).toMatchObject([{ check: 'server', status: 'bad' }]);
  });

  it('stops at a name that nobody knows', async () => {
    expect(await checkConnection('https://starling.invalid')).toMatchObject([{ check: 'DNS', status: 'bad' }]);
  });
});
