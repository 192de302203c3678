import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { LaneMail } from './lane-mail.ts';
import { until } from './test-swarms.ts';

const long = 1_000_000;

async function mailAndWhatArrives() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [receiver] = await accepted;
  const mail = new LaneMail(socket);
  onTestFinished(() => {
    mail.close();
    socket.destroy();
    receiver.destroy();
    server.close();
  });
  let arrived = '';
  receiver.on('data', (bytes) => (arrived += bytes.toString()));
  return { mail, arrived: () => arrived };
}

it('keeps news until something is sent, and the order', async () => {
  const { mail, arrived } = await mailAndWhatArrives();
  mail.add(Buffer.from('a'), long);
  mail.add(Buffer.from('b'), long);
  mail.send(Buffer.from('c'));
  await until(() => arrived().length > 0);
  expect(arrived()).toBe('abc');
});

it('sends what can wait with what cannot', async () => {
  const { mail, arrived } = await mailAndWhatArrives();
  mail.add(Buffer.from('a'), long);
  mail.add(Buffer.from('b'), 1);
  mail.add(Buffer.from('c'), long);
  await until(() => arrived() !== '');
  expect(arrived()).toBe('abc');
  mail.add(Buffer.from('d'), long);
  mail.add(Buffer.from('e'), 1);
  await until(() => arrived().length > 3);
  expect(arrived()).toBe('abcde');
});
