import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ByteRate, byteRate } from '@starling/shared/byte-rate.ts';
import { byteSize } from '@starling/shared/byte-size.ts';
import { durationBetween } from '@starling/shared/durations.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { TrustedKeys } from '@starling/shared/signing.ts';
import { machineId, projectName, regionName } from '@starling/shared/words.ts';
import { type EncryptionMode, encryptionModes } from '@starling/swarm/swarm.ts';
import { z } from 'zod';

export interface AgentConfig {
  dataFolder: string;
  machine: string;
  region: string;
  labels: Record<string, string>;
  /** `http://host:port`, without a slash at its end. */
  hubUrl: string;
  /** The file with the enrolment token, read when this machine is not enrolled yet. */
  tokenFile: string | undefined;
  manifestKeys: TrustedKeys;
  versionKeys: TrustedKeys;
  swarmHost: string;
  /** 0 takes any free port. */
  swarmPort: number;
  swarmEncryption: EncryptionMode;
  /** What it sends to others and receives from them at most. */
  swarmUpload: ByteRate;
  swarmDownload: ByteRate;
  /** What it receives at most while it only fetches what is not decided yet. */
  prefetchDownload: ByteRate;
  /** Slots to keep of each project, the current one included. */
  keepSlots: number;
  /** What slots and packs may take together, in bytes; 0 is no limit. */
  keepBytes: number;
  /** By project, a folder with a copy of it that was there before: what it has of a first install is not fetched. */
  baseCopies: Record<string, string>;
  /** How often the current slot is compared with its manifest, in milliseconds; 0 means never. */
  driftEveryMs: number;
  /** What becomes of the programs when the agent is told to stop. */
  programsOnStop: 'leave' | 'stop';
  /** Who runs programs: a shell of the agent's own, or systemd with units in a folder. */
  runner: { type: 'shell' } | { type: 'systemd'; unitsFolder: string; systemctl: [string, ...string[]] };
  /** The project that is this agent itself, when a launcher starts it. */
  agentProject: string | undefined;
  /** The slot whose agent did not come up, so that this one was started in its place. */
  fellBack: { slot: string; why: string } | undefined;
  logLevel: string;
  /** What programs inherit of the agent's own environment: no token, no key. */
  programEnvironment: Record<string, string>;
}

const labels = z.string().transform((text, context) => {
  const found: Record<string, string> = {};
  for (const pair of text.split(',').filter((part) => part.trim() !== '')) {
    const match = /^\s*([A-Za-z0-9][A-Za-z0-9._/-]{0,62})=([^,]{0,255})$/.exec(pair);
    if (!match) {
      context.addIssue({ code: 'custom', message: `expected pairs such as "rack=r1,zone=a", found "${pair.trim()}"` });
      return z.NEVER;
    }
    found[match[1] as string] = (match[2] as string).trim();
  }
  return found;
});

const fellBack = z.string().transform((text, context) => {
  try {
    return z.object({ slot: z.string(), why: z.string() }).parse(JSON.parse(text));
  } catch {
    context.addIssue({ code: 'custom', message: 'is set by the launcher alone' });
    return z.NEVER;
  }
});

const copies = z.string().transform((text, context) => {
  const found: Record<string, string> = {};
  for (const pair of text.split(',').filter((part) => part.trim() !== '')) {
    const [name = '', ...rest] = pair.trim().split('=');
    const folder = rest.join('=');
    if (!projectName.safeParse(name).success || folder === '') {
      context.addIssue({ code: 'custom', message: `expected pairs such as "shop=/opt/shop", found "${pair.trim()}"` });
      return z.NEVER;
    }
    found[name] = resolve(folder);
  }
  return found;
});

const paths = z
  .string()
  .min(1)
  .transform((text) => text.split(',').map((path) => path.trim()));
const port = z.coerce.number().int().min(0).max(65_535);

const variables = z.object({
  STARLING_AGENT_DATA: z
    .string()
    .min(1)
    .transform((path) => resolve(path)),
  STARLING_MACHINE: machineId,
  STARLING_REGION: regionName,
  STARLING_HUB_URL: z
    .url({ protocol: /^https?$/, message: 'expected a URL such as http://hub.example:7400' })
    .transform((url) => url.replace(/\/+$/, '')),
  STARLING_ENROLMENT_TOKEN_FILE: z.string().min(1).optional(),
  STARLING_LABELS: labels.default({}),
  STARLING_MANIFEST_PUBLIC_KEYS: paths,
  STARLING_VERSION_PUBLIC_KEYS: paths,
  STARLING_SWARM_HOST: z.string().min(1).default('127.0.0.1'),
  STARLING_SWARM_PORT: port.default(0),
  STARLING_SWARM_ENCRYPTION: z.enum(encryptionModes).default('required'),
  STARLING_SWARM_UPLOAD: byteRate.prefault('none'),
  STARLING_SWARM_DOWNLOAD: byteRate.prefault('none'),
  STARLING_PREFETCH_DOWNLOAD: byteRate.prefault('5MiB'),
  STARLING_KEEP_SLOTS: z.coerce.number().int().min(2).max(20).default(3),
  STARLING_KEEP_BYTES: z.union([z.literal('0').transform(() => 0), byteSize]).default(0),
  STARLING_BASE_COPIES: copies.default({}),
  STARLING_DRIFT_EVERY: z
    .union([z.literal('0').transform(() => 0), durationBetween(60_000, 7 * 86_400_000)])
    .prefault('6h'),
  STARLING_PROGRAMS_ON_STOP: z.enum(['leave', 'stop']).default('leave'),
  STARLING_RUNNER: z.enum(['shell', 'systemd']).default('shell'),
  STARLING_SYSTEMD_UNITS: z.string().startsWith('/', 'must be a whole path').default('/run/systemd/system'),
  STARLING_AGENT_PROJECT: projectName.optional(),
  STARLING_AGENT_FELL_BACK: fellBack.optional(),
  STARLING_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

const inherited = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'];

/** Reads the configuration from environment variables. INVALID_INPUT names the variable at fault. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): AgentConfig {
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = variables.safeParse(set);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = String(issue?.path[0] ?? 'the environment');
    const missing = set[field] === undefined;
    throw new StarlingError('INVALID_INPUT', `${field}: ${missing ? 'is not set' : (issue?.message ?? 'is wrong')}`, {
      field,
      fix: `Set ${field}; docs/reference/configuration.md lists every variable.`,
    });
  }
  const values = parsed.data;
  return {
    dataFolder: values.STARLING_AGENT_DATA,
    machine: values.STARLING_MACHINE,
    region: values.STARLING_REGION,
    labels: values.STARLING_LABELS,
    hubUrl: values.STARLING_HUB_URL,
    tokenFile: values.STARLING_ENROLMENT_TOKEN_FILE,
    manifestKeys: trustedKeys('manifest', 'STARLING_MANIFEST_PUBLIC_KEYS', values.STARLING_MANIFEST_PUBLIC_KEYS),
    versionKeys: trustedKeys('version-key', 'STARLING_VERSION_PUBLIC_KEYS', values.STARLING_VERSION_PUBLIC_KEYS),
    swarmHost: values.STARLING_SWARM_HOST,
    swarmPort: values.STARLING_SWARM_PORT,
    swarmEncryption: values.STARLING_SWARM_ENCRYPTION,
    swarmUpload: values.STARLING_SWARM_UPLOAD,
    swarmDownload: values.STARLING_SWARM_DOWNLOAD,
    prefetchDownload: values.STARLING_PREFETCH_DOWNLOAD,
    keepSlots: values.STARLING_KEEP_SLOTS,
    keepBytes: values.STARLING_KEEP_BYTES,
    baseCopies: values.STARLING_BASE_COPIES,
    driftEveryMs: values.STARLING_DRIFT_EVERY,
    programsOnStop: values.STARLING_PROGRAMS_ON_STOP,
    runner:
      values.STARLING_RUNNER === 'shell'
        ? { type: 'shell' }
        : { type: 'systemd', unitsFolder: values.STARLING_SYSTEMD_UNITS, systemctl: ['systemctl'] },
    agentProject: values.STARLING_AGENT_PROJECT,
    fellBack: values.STARLING_AGENT_FELL_BACK,
    logLevel: values.STARLING_LOG_LEVEL,
    programEnvironment: Object.fromEntries(
      inherited.flatMap((name) => (set[name] === undefined ? [] : [[name, set[name] as string]])),
    ),
  };
}

function trustedKeys(kind: 'manifest' | 'version-key', variable: string, files: string[]): TrustedKeys {
  try {
    return new TrustedKeys(
      kind,
      files.map((file) => readFileSync(file, 'utf8')),
    );
  } catch (thrown) {
    throw new StarlingError('INVALID_INPUT', `${variable}: ${messageOf(thrown)}`, {
      field: variable,
      fix: 'Give the paths of Ed25519 public keys in PEM, with commas between them.',
    });
  }
}
