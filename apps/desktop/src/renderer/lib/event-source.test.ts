import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { EventStreamParser, FetchEventSource, type StreamEvent } from './event-source.ts';

const stream =
  'event: connected\ndata: {}\n\n: a comment\ndata: one\r\ndata: two\r\nid: 7\r\n\r\nevent: empty\n\ndata:x\n\n';
const expected: StreamEvent[] = [
  { type: 'connected', data: '{}', id: '' },
  { type: 'message', data: 'one\ntwo', id: '7' },
  { type: 'message', data: 'x', id: '7' },
];

it('reads the same events wherever the bytes are cut', () => {
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const events: StreamEvent[] = [];
    const parser = new EventStreamParser((event) => events.push(event));
    parser.add(stream.slice(0, cut));
    parser.add(stream.slice(cut));
    expect(events).toEqual(expected);
  }
});

it('delivers events of a server and says when it is cut', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: hello\n\n');
    setImmediate(() => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const source = new FetchEventSource(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      source.addEventListener('open', () => seen.push('open'));
      source.addEventListener('message', (event) => seen.push((event as MessageEvent<string>).data));
      source.addEventListener('error', () => resolve());
    });
    expect(seen).toEqual(['open', 'hello']);
    expect(source.readyState).toBe(source.CLOSED);
  } finally {
    server.close();
  }
});

it('ends with an error when the server refuses', async () => {
  const server = createServer((_request, response) => response.writeHead(503).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const source = new FetchEventSource(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await new Promise<void>((resolve) => source.addEventListener('error', () => resolve()));
    expect(source.readyState).toBe(source.CLOSED);
  } finally {
    server.close();
  }
});
