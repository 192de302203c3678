import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { connect as connectTls, type PeerCertificate } from 'node:tls';
import { formatDuration } from '@starling/shared/durations.ts';
import { messageOf } from '@starling/shared/errors.ts';
import { bad, type Finding, good, warn } from '@starling/shared/findings.ts';

const patienceMs = 5_000;
const mostClockSkewMs = 30_000;
const dayMs = 86_400_000;
const soonMs = 14 * dayMs;

/** The way to a server, from its name to its clock. Ends at the first step that fails: the next ones need it. */
export async function checkConnection(server: string): Promise<Finding[]> {
  const url = new URL(server);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const findings: Finding[] = [];

  if (isIP(host) === 0) {
    const found = await lookup(host, { all: true }).catch((thrown: Error) => thrown);
    if (found instanceof Error) {
      return [
        bad('DNS', `${host} cannot be looked up: ${found.message}`, 'Check the name, and the DNS of this machine.'),
      ];
    }
    findings.push(good('DNS', `${host} is ${found.map(({ address }) => address).join(', ')}`));
  }

  if (url.protocol === 'https:') {
    const tls = await checkTls(host, Number(url.port) || 443);
    findings.push(tls);
    if (tls.status === 'bad') return findings;
  } else if (host !== 'localhost' && host !== '127.0.0.1' && host !== '::1') {
    findings.push(
      warn('TLS', `${server} is reached without TLS: the token crosses the network readable.`, 'Use https://.'),
    );
  }

  const askedAt = Date.now();
  try {
    const response = await fetch(`${server}/healthz`, { signal: AbortSignal.timeout(patienceMs) });
    const answeredAt = Date.now();
    await response.body?.cancel();
    findings.push(
      response.ok
        ? good('server', `${server} answers in ${answeredAt - askedAt} ms`)
        : bad('server', `${server} says that it is not well (HTTP ${response.status}).`, 'See its log.'),
    );
    const date = Date.parse(response.headers.get('date') ?? '');
    if (!Number.isNaN(date)) findings.push(checkClock(date + 500 - (askedAt + answeredAt) / 2));
  } catch (thrown) {
    const { cause } = thrown as Error;
    const why = cause instanceof Error ? cause.message : messageOf(thrown);
    findings.push(
      bad('server', `${server} does not answer: ${why}`, 'Check the address, the firewall and that it runs.'),
    );
  }
  return findings;
}

/** The Date header has whole seconds, so half a second is the middle of what it may mean. */
function checkClock(skewMs: number): Finding {
  if (Math.abs(skewMs) <= mostClockSkewMs) return good('clock', 'in step with the server');
  const apart = formatDuration(Math.abs(skewMs));
  return warn(
    'clock',
    `This machine is ${apart} ${skewMs > 0 ? 'behind' : 'ahead of'} the server.`,
    'Set its clock by NTP.',
  );
}

function checkTls(host: string, port: number): Promise<Finding> {
  return new Promise((resolve) => {
    const socket = connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), timeout: patienceMs });
    const end = (finding: Finding) => {
      socket.destroy();
      resolve(finding);
    };
    socket.on('secureConnect', () => end(judge(socket.getPeerCertificate())));
    socket.on('timeout', () =>
      end(bad('TLS', `${host}:${port} does not answer.`, 'Check the address and the firewall.')),
    );
    socket.on('error', (error) =>
      end(
        bad(
          'TLS',
          `The certificate of ${host}:${port} is not accepted: ${error.message}`,
          'If it is your own, name the file of its authority in NODE_EXTRA_CA_CERTS.',
        ),
      ),
    );
  });
}

function judge(certificate: PeerCertificate): Finding {
  const leftMs = Date.parse(certificate.valid_to) - Date.now();
  const until = `valid until ${new Date(certificate.valid_to).toISOString().slice(0, 10)}`;
  if (leftMs < soonMs) return warn('TLS', `The certificate ends soon (${until}).`, 'Renew it on the server.');
  return good('TLS', `certificate ${until}`);
}
