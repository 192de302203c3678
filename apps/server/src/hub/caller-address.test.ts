import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { callerAddress, type TrustedProxies } from './caller-address.ts';

const seen = (remoteAddress: string, forwarded: string | undefined, proxies: TrustedProxies | undefined) => {
  const request = {
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  };
  return callerAddress(request as unknown as IncomingMessage, proxies);
};

it.each<[string, string | undefined, TrustedProxies | undefined, string]>([
  ['10.0.0.7', undefined, undefined, '10.0.0.7'],
  ['::ffff:10.0.0.7', undefined, undefined, '10.0.0.7'],
  // Without a proxy nobody is believed.
  ['10.0.0.7', '1.2.3.4', undefined, '10.0.0.7'],
  ['10.0.0.7', '1.2.3.4', ['10.0.0.8'], '10.0.0.7'],
  ['::ffff:10.0.0.7', '1.2.3.4', ['10.0.0.7'], '1.2.3.4'],
  ['10.0.0.7', undefined, ['10.0.0.7'], '10.0.0.7'],
  // What the machine itself wrote stands first.
  ['10.0.0.7', '9.9.9.9, 1.2.3.4', ['10.0.0.0/8'], '1.2.3.4'],
  ['10.0.0.7', '9.9.9.9, 1.2.3.4, 10.0.0.8', ['10.0.0.0/8'], '1.2.3.4'],
  ['fd00::7', '2001:db8::1', ['fd00::/8'], '2001:db8::1'],
  ['10.0.0.7', '9.9.9.9, 1.2.3.4', true, '9.9.9.9'],
  ['10.0.0.7', 'nonsense', true, '10.0.0.7'],
])('%s that says %s behind %j is %s', (remote, forwarded, proxies, address) => {
  expect(seen(remote, forwarded, proxies)).toBe(address);
});
