import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';

/** Proxies in front of a hub that say whom they speak for: addresses and ranges such as `10.1.0.0/16`, or all. */
export type TrustedProxies = true | readonly string[];

/**
 * The address of the machine that calls. Proxies add to X-Forwarded-For who called them, so it is read from its end, for as
 * long as the one who said it is trusted: what stands before that, anybody may have written.
 */
export function callerAddress(
  { socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>,
  proxies: TrustedProxies | undefined,
): string {
  let address = plainAddress(socket.remoteAddress ?? '');
  if (!proxies) return address;
  const isTrusted = proxies === true ? () => true : among(proxies);
  const forwarded = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',');
  for (const said of forwarded.map((part) => plainAddress(part.trim())).reverse()) {
    if (isIP(said) === 0 || !isTrusted(address)) break;
    address = said;
  }
  return address;
}

/** Throws a RangeError or TypeError for what is neither an address nor a range. */
export function among(proxies: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const proxy of proxies) {
    const [address = '', bits] = proxy.split('/');
    const family = familyOf(address);
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address));
}

const familyOf = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4');

/** An IPv4 address as it is, where the system shows it as one of IPv6. */
const plainAddress = (address: string) => address.replace(/^::ffff:(?=\d+\.)/, '');
