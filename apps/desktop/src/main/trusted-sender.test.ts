import { describe, expect, it } from 'vitest';
import { externalAddress, isTrustedSender } from './trusted-sender.ts';

const from = (url: string, parent: unknown = null) => ({ senderFrame: { url, parent } });

describe('isTrustedSender', () => {
  it('trusts the console alone', () => {
    expect(isTrustedSender(from('app://console/projects/hello?tab=machines'))).toBe(true);
  });

  it.each([
    from('app://elsewhere/'),
    from('app://console.evil.example/'),
    from('https://console/'),
    from('file:///tmp/index.html'),
    from('about:blank'),
    from(''),
    from('app://console/', {}),
    { senderFrame: null },
  ])('does not trust %j', (sender) => expect(isTrustedSender(sender)).toBe(false));
});

describe('externalAddress', () => {
  it('lets web addresses out', () => {
    expect(externalAddress('https://git.example.org/a/b')).toBe('https://git.example.org/a/b');
  });

  it.each([
    'file:///etc/passwd',
    'javascript:alert(1)',
    'smb://host/share',
    'https://user:pw@host/',
    'x',
    `https://${'a'.repeat(3_000)}`,
  ])('keeps %s in', (address) => expect(externalAddress(address)).toBeUndefined());
});
