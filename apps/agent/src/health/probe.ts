import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { connect } from 'node:net';
import { signalGroup } from '@starling/host/process-group.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { HealthCheck } from '@starling/shared/manifest.ts';

export interface ProbeTarget {
  check: HealthCheck;
  /** Where the program listens, on this machine; null when it has no port. */
  port: number | null;
  /** The slot, where a command check runs. */
  folder: string;
  environment: Record<string, string>;
  /** What the shell does with the command in `$2` (see `confinement`); by default it just runs it. */
  become?: string;
}

const outputBytes = 2_000;
/** A program may listen on one of them only. */
const loopbacks = ['127.0.0.1', '::1'];

/**
 * Runs a health check once. Resolves to undefined when it passed, else to a sentence that says what was found.
 * `none` always passes. Takes no longer than the check's timeout (in milliseconds), and a little.
 */
export async function probe(target: ProbeTarget, signal: AbortSignal): Promise<string | undefined> {
  const { check, port } = target;
  if (check.type === 'none') return undefined;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(check.timeoutMs)]);
  const late = `no answer within ${check.timeoutMs} ms`;
  if (check.type === 'command') return probeCommand(check.command, target, late, limit);
  if (port === null) return 'the build has no port to check';
  let refusal = '';
  for (const host of loopbacks) {
    const found =
      check.type === 'http' ? await probeHttp(host, port, check.path, limit) : await probeTcp(host, port, limit);
    if (found === undefined) return undefined;
    if (limit.aborted) return `${describe(check)}: ${late}`;
    refusal ||= found;
    if (!found.includes('ECONNREFUSED') && !found.includes('EADDRNOTAVAIL')) break;
  }
  return `${describe(check)}: ${refusal}`;
}

/** Without the port, which each machine may choose: the same failure reads the same on all of them. */
function describe(check: HealthCheck): string {
  return check.type === 'http' ? `GET ${check.path}` : 'connecting to its port';
}

function probeHttp(host: string, port: number, path: string, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const sent = request({ host, port, path, signal, agent: false, headers: { host: `localhost:${port}` } });
    sent.once('error', (error) => resolve(reasonOf(error)));
    sent.once('response', (response) => {
      const status = response.statusCode ?? 0;
      // The status is the answer; a body of any length is not waited for.
      sent.on('error', () => undefined);
      response.destroy();
      resolve(status >= 200 && status < 400 ? undefined : `HTTP ${status}`);
    });
    sent.end();
  });
}

function probeTcp(host: string, port: number, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal });
    socket.once('error', (error) => resolve(reasonOf(error)));
    socket.once('connect', () => {
      resolve(undefined);
      socket.destroy();
    });
  });
}

function probeCommand(
  command: string,
  { folder, environment, become }: ProbeTarget,
  late: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', become ?? 'exec /bin/sh -c "$2"', 'starling-probe', '', command], {
      cwd: folder,
      env: environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (bytes: Buffer) => {
      output = (output + bytes.toString()).slice(-outputBytes);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const killGroup = () => child.pid !== undefined && signalGroup(child.pid, 'SIGKILL');
    const said = () => (output.trim() === '' ? '' : `: ${output.trim()}`);
    signal.addEventListener('abort', killGroup, { once: true });
    if (signal.aborted) killGroup();
    child.once('error', (error) => resolve(`the health command could not be run: ${messageOf(error)}`));
    // Not `close`: something the command left in the background may hold its pipes open for ever.
    child.once('exit', (code, endedBy) => {
      signal.removeEventListener('abort', killGroup);
      setImmediate(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        if (signal.aborted) return resolve(`the health command: ${late}${said()}`);
        if (code === 0) return resolve(undefined);
        resolve(`the health command ended with ${endedBy ?? `code ${code}`}${said()}`);
      });
    });
  });
}

function reasonOf(error: Error): string {
  return (error as { code?: string }).code ?? messageOf(error);
}
