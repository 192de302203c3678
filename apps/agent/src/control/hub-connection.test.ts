import type { AddressInfo } from 'node:net';
import { systemClock, TestClock } from '@starling/shared/clock.ts';
import type { HubFrame } from '@starling/shared/hub-protocol.ts';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { eventually } from '../testing/scene.ts';
import { HubConnection, type HubConnectionOptions } from './hub-connection.ts';

let server: WebSocketServer;
let connection: HubConnection;
let options: HubConnectionOptions;
let sockets: WebSocket[];
let heard: string[];
let seen: HubFrame[];
let welcomes: number;
beforeEach(async () => {
  [sockets, heard, seen, welcomes] = [[], [], [], 0];
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => server.once('listening', resolve));
  server.on('connection', (socket, request) => {
    heard.push(`connected with ${request.headers.authorization} to ${request.url}`);
    sockets.push(socket);
    socket.on('message', (data) => heard.push(JSON.parse(String(data)).type));
  });
  options = {
    hubUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    access: { session: async () => 't0', forget: () => {} },
    clock: systemClock,
    log: pino({ level: 'silent' }),
    hello: () => ({
      type: 'hello',
      protocol: 1,
      machine: 'm1',
      region: 'eu',
      labels: {},
      agentVersion: '1',
      swarm: { host: '127.0.0.1', port: 1 },
    }),
    onWelcome: () => (welcomes += 1),
    onFrame: (frame) => void seen.push(frame),
  };
  connection = new HubConnection(options);
});
afterEach(async () => {
  await connection.stop();
  for (const socket of sockets) socket.terminate();
  await new Promise((resolve) => server.close(resolve));
});
const announce = { type: 'announce', infoHash: 'a'.repeat(40), share: 1 } as const;

it('says hello first, with its session, and sends nothing else before it is welcome', async () => {
  connection.start();
  await eventually('hello', () => heard.includes('hello'));
  expect(heard[0]).toBe('connected with Bearer t0 to /agent');
  expect(connection.send(announce)).toBe(false);
  sockets[0]?.send(JSON.stringify({ type: 'welcome', hub: 'h' }));
  await eventually('welcome', () => welcomes === 1);
  expect(connection.send(announce)).toBe(true);
  await eventually('the announcement', () => heard.at(-1) === 'announce');
});

it('passes over frames it does not understand and keeps the connection', async () => {
  connection.start();
  await eventually('hello', () => heard.includes('hello'));
  for (const text of ['no json', '{"type":"surprise"}', '{"type":"peers","infoHash":"x","peers":[]}'])
    sockets[0]?.send(text);
  sockets[0]?.send(JSON.stringify({ type: 'reportsAccepted', upToSequence: 3 }));
  await eventually('the good frame', () => seen.length === 1);
  expect(sockets).toHaveLength(1);
});

it('connects again after a lost connection, a refusal and a frame that is too large', async () => {
  connection.start();
  const hellos = () => heard.filter((what) => what === 'hello').length;
  const nth = (n: number) => eventually(`hello on connection ${n}`, () => sockets.length === n && hellos() === n);
  const welcome = (n: number) => sockets[n]?.send(JSON.stringify({ type: 'welcome', hub: 'h' }));
  await nth(1);
  welcome(0);
  sockets[0]?.terminate();
  await nth(2);
  welcome(1);
  sockets[1]?.send(JSON.stringify({ type: 'refused', reason: 'unknown machine' }));
  await nth(3);
  welcome(2);
  sockets[2]?.send(JSON.stringify({ type: 'welcome', hub: 'x'.repeat(2 * 1024 * 1024) }));
  await nth(4);
});

it('gives up a connection on which nothing is heard, though it looks open', async () => {
  const silent = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: false });
  await new Promise((resolve) => silent.once('listening', resolve));
  let connections = 0;
  silent.on('connection', (socket) => {
    connections += 1;
    socket.send(JSON.stringify({ type: 'welcome', hub: 'h' }));
  });
  const clock = new TestClock();
  const patient = new HubConnection({
    ...options,
    hubUrl: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
    clock,
  });
  patient.start();
  await eventually('a welcome', () => patient.isConnected);
  await clock.advance(20_000);
  expect(patient.isConnected).toBe(true);
  await clock.advance(10_000);
  await eventually('the end', () => !patient.isConnected);
  await eventually('another connection', async () => {
    await clock.advance(1_000);
    return connections === 2;
  });
  await patient.stop();
  for (const socket of silent.clients) socket.terminate();
  await new Promise((resolve) => silent.close(resolve));
});
