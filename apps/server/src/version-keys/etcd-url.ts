/** What `etcd://` addresses look like, for messages. */
export const etcdUrlForm = 'etcd://host:2379,host2:2379 (etcds:// for TLS)';

/**
 * The endpoints that an address names, as URLs without a path: `etcd://a:2379,b` is `http://a:2379` and `http://b:2379`,
 * `etcds://` makes them `https:`. Undefined when it is not such an address; one with a password in it is none either,
 * as it would show in process lists.
 */
export function parseEtcdUrl(text: string): string[] | undefined {
  const [, secure, hosts] = /^etcd(s?):\/\/([^/?#@]+)\/?$/.exec(text) ?? [];
  if (hosts === undefined) return undefined;
  const endpoints = hosts.split(',').map((host) => {
    const withPort = /:\d+$/.test(host) ? host : `${host}:2379`;
    const scheme = secure ? 'https' : 'http';
    return URL.canParse(`${scheme}://${withPort}`) && /^[^\s:]|^\[/.test(host) ? `${scheme}://${withPort}` : undefined;
  });
  return endpoints.every((endpoint) => endpoint !== undefined) ? endpoints : undefined;
}
