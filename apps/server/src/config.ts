import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { byteRate } from '@starling/shared/byte-rate.ts';
import { byteSize } from '@starling/shared/byte-size.ts';
import { parseDuration } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { isLoopback } from '@starling/shared/loopback.ts';
import { allProjects, type Grant } from '@starling/shared/permissions.ts';
import { labels } from '@starling/shared/project-settings.ts';
import { machineId, roles as personRoles, projectName, regionName } from '@starling/shared/words.ts';
import { z } from 'zod';
import { among } from './hub/caller-address.ts';
import { etcdUrlForm, parseEtcdUrl } from './version-keys/etcd-url.ts';

// The only place of the server that reads the environment. Secrets come as files, so that they show in no process list.

const duration = (byDefault: string) =>
  z
    .string()
    .default(byDefault)
    .transform((text, context) => {
      const milliseconds = parseDuration(text);
      if (milliseconds !== undefined) return milliseconds;
      context.addIssue({ code: 'custom', message: `expected a duration such as "30s" or "5m", found "${text}"` });
      return z.NEVER;
    });
const port = z.coerce.number().int().min(0).max(65535);
const apiUrl = z.url({ protocol: /^https?$/ }).transform((text) => text.replace(/\/+$/, ''));
const fileText = z.string().transform((path, context) => {
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  context.addIssue({ code: 'custom', message: `there is no file ${path}` });
  return z.NEVER;
});
const fileTexts = z
  .string()
  .transform((paths) => paths.split(','))
  .pipe(z.array(fileText).min(1));
/** `eu=file:///data/eu us=s3://bucket?endpoint=…`: every region with its own blob store. */
const regionList = z.string().transform((text, context) => {
  const regions = text
    .trim()
    .split(/\s+/)
    .map((part) => ({ name: part.slice(0, part.indexOf('=')), blobs: part.slice(part.indexOf('=') + 1) }));
  const wrong = regions.find(({ name, blobs }) => !regionName.safeParse(name).success || blobs === '');
  if (wrong || new Set(regions.map(({ name }) => name)).size !== regions.length) {
    context.addIssue({
      code: 'custom',
      message: 'expected "<region>=<blob store URL>" for each region, separated by spaces, no region twice',
    });
    return z.NEVER;
  }
  return regions;
});

const longestDrainMs = 24 * 60 * 60_000;
/** `os=linux,gpu=none`: what a worker can do; the names are those that a project's settings may ask for. */
const labelList = z
  .string()
  .default('')
  .transform((text, context) => {
    const pairs = text.split(',').flatMap((pair) => (pair.trim() === '' ? [] : [pair.trim()]));
    const found = pairs.map((pair): [string, string] => {
      const at = pair.indexOf('=');
      return [pair.slice(0, Math.max(0, at)), pair.slice(at + 1)];
    });
    const parsed = labels.safeParse(Object.fromEntries(found));
    if (parsed.success && new Set(found.map(([name]) => name)).size === found.length) return parsed.data;
    context.addIssue({ code: 'custom', message: 'expected "<name>=<value>" with commas between, no name twice' });
    return z.NEVER;
  });

/** `10.0.0.7,10.1.0.0/16`: the proxies in front of us, or `any`. */
const proxies = z.string().transform((text) => (text === 'any' ? true : text.split(',').map((part) => part.trim())));
/** The same, where only addresses and ranges of them are known. */
const proxyAddresses = proxies.superRefine((found, context) => {
  try {
    if (found !== true) among(found);
  } catch {
    context.addIssue({ code: 'custom', message: 'expected addresses or ranges such as "10.1.0.0/16", or "any"' });
  }
});
/** `platform=admin shop-devs=deployer@shop`: which group of the provider gives which role, in all projects or in one. */
const rolesOfGroups = z.string().transform((text, context) => {
  const groups = new Map<string, Grant[]>();
  for (const part of text.trim().split(/\s+/).filter(Boolean)) {
    const [, group, role, project] = /^([^=]+)=([a-z]+)(?:@(.+))?$/.exec(part) ?? [];
    const parsed = z
      .object({ role: z.enum(personRoles), project: projectName.optional() })
      .safeParse({ role, project });
    if (!group || !parsed.success) {
      context.addIssue({
        code: 'custom',
        message: `expected "<group>=<role>" or "<group>=<role>@<project>", found "${part}"`,
      });
      return z.NEVER;
    }
    const grant = { role: parsed.data.role, project: parsed.data.project ?? allProjects };
    groups.set(group, [...(groups.get(group) ?? []), grant]);
  }
  return groups;
});

/** `etcd://host:2379,host2:2379`: the endpoints of one region's etcd. */
const etcdUrl = z.string().transform((text, context) => {
  const endpoints = parseEtcdUrl(text);
  if (endpoints) return endpoints;
  context.addIssue({ code: 'custom', message: `expected ${etcdUrlForm}` });
  return z.NEVER;
});
/** `eu=etcd://… us=etcd://…`: the endpoints by region. */
const etcdByRegion = z.string().transform((text, context) => {
  const parts = text.trim().split(/\s+/);
  const clusters = new Map(
    parts.map((part) => [part.slice(0, part.indexOf('=')), parseEtcdUrl(part.slice(part.indexOf('=') + 1)) ?? []]),
  );
  const isRight = [...clusters].every(
    ([name, endpoints]) => regionName.safeParse(name).success && endpoints.length > 0,
  );
  if (isRight && clusters.size === parts.length) return clusters;
  context.addIssue({
    code: 'custom',
    message: `expected "<region>=${etcdUrlForm}" for each region, separated by spaces, no region twice`,
  });
  return z.NEVER;
});

const etcdUser = { STARLING_ETCD_USER: z.string().min(1).optional(), STARLING_ETCD_PASSWORD_FILE: fileText.optional() };
function needBothOfEtcdUser(
  config: { STARLING_ETCD_USER?: string | undefined; STARLING_ETCD_PASSWORD_FILE?: string | undefined },
  context: z.RefinementCtx,
) {
  const { STARLING_ETCD_USER: user, STARLING_ETCD_PASSWORD_FILE: password } = config;
  if ((user === undefined) === (password === undefined)) return;
  const [given, other] = ['STARLING_ETCD_USER', 'STARLING_ETCD_PASSWORD_FILE'];
  const [path, beside] = user === undefined ? [given, other] : [other, given];
  context.addIssue({ code: 'custom', path: [path], message: `must be set beside ${beside}` });
}

interface TlsVariables {
  STARLING_HOST: string;
  STARLING_TLS?: string | undefined;
  STARLING_TLS_CERT_FILE?: string | undefined;
  STARLING_TLS_KEY_FILE?: string | undefined;
  STARLING_BEHIND_PROXY?: unknown;
}

/** Passwords, tokens and the secrets of swarms must not cross a network readable; a proxy that speaks TLS for us has to be named. */
function needTlsBeyondLoopback(
  { STARLING_TLS: tls, STARLING_TLS_CERT_FILE: cert, STARLING_TLS_KEY_FILE: key, ...config }: TlsVariables,
  context: z.RefinementCtx,
  other: string,
) {
  const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
  if ((cert === undefined) !== (key === undefined))
    issue(cert ? 'STARLING_TLS_CERT_FILE' : 'STARLING_TLS_KEY_FILE', 'must be set beside the other of the two');
  if (!tls && !cert && !config.STARLING_BEHIND_PROXY && !isLoopback(config.STARLING_HOST))
    issue('STARLING_HOST', `is not loopback: set STARLING_TLS_CERT_FILE, STARLING_BEHIND_PROXY or ${other}`);
}

const everyRole = {
  DATABASE_URL: z.string().min(1),
  STARLING_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
};

const control = z
  .object({
    ...everyRole,
    ...etcdUser,
    DATABASE_READ_URL: z.string().min(1).optional(),
    STARLING_VERSION_KEYS: etcdByRegion.optional(),
    STARLING_SERVER: machineId.default(`${hostname().replaceAll(/[^A-Za-z0-9._-]/g, '-')}-${process.pid}`),
    STARLING_HOST: z.string().default('127.0.0.1'),
    STARLING_PORT: port.default(4600),
    STARLING_DATA: z.string().min(1).optional(),
    STARLING_TLS: z.literal('auto').optional(),
    STARLING_TLS_CERT_FILE: z.string().min(1).optional(),
    STARLING_TLS_KEY_FILE: z.string().min(1).optional(),
    STARLING_BEHIND_PROXY: proxies.optional(),
    STARLING_RATE_LIMIT: z.coerce.number().min(1).max(1_000_000).default(100),
    STARLING_SESSION_IDLE: duration('12h'),
    STARLING_SESSION_LONGEST: duration('30d'),
    STARLING_OIDC_ISSUER: z.url({ protocol: /^https?$/ }).optional(),
    STARLING_OIDC_CLIENT_ID: z.string().min(1).optional(),
    STARLING_OIDC_CLIENT_SECRET_FILE: fileText.optional(),
    STARLING_OIDC_SCOPES: z.string().default('openid profile email'),
    STARLING_OIDC_GROUPS_CLAIM: z.string().default('groups'),
    STARLING_OIDC_ROLES: rolesOfGroups.default(new Map()),
    STARLING_REGIONS: regionList,
    STARLING_BLOBS: z.string().min(1),
    STARLING_VERSION_SIGNING_KEY: fileText,
    STARLING_ADMIN_TOKEN_FILE: fileText.optional(),
    STARLING_IDENTITY_SIGNING_KEY: fileText.optional(),
    STARLING_CONSOLE: z.string().default(fileURLToPath(new URL('../../desktop/out/web', import.meta.url))),
    STARLING_STALE_AFTER: duration('5m'),
    STARLING_BUILD_DEADLINE: duration('15m'),
    STARLING_QUEUE_DEADLINE: duration('24h'),
    STARLING_MONITOR_EVERY: duration('15s'),
    STARLING_SYNCHRONIZE_EVERY: duration('1m'),
    STARLING_PUBLIC_URL: z
      .url({ protocol: /^https?$/ })
      .transform((text) => text.replace(/\/+$/, ''))
      .optional(),
    STARLING_GITHUB_URL: apiUrl.default('https://api.github.com'),
    STARLING_GITHUB_TOKEN_FILE: fileText.optional(),
    STARLING_GITLAB_URL: apiUrl.default('https://gitlab.com/api/v4'),
    STARLING_GITLAB_TOKEN_FILE: fileText.optional(),
    STARLING_SWEEP_HOUR: z.coerce.number().int().min(0).max(23).default(3),
    STARLING_ALERTS_EVERY: duration('15s'),
    STARLING_REPLICATION_LATE: duration('10m'),
    STARLING_BUDGET: duration('30m'),
    STARLING_SMTP_URL: z.url({ protocol: /^smtps?$/ }).optional(),
    STARLING_SMTP_PASSWORD_FILE: fileText.optional(),
    STARLING_MAIL_FROM: z.string().min(3).max(300).optional(),
    STARLING_TARGET_WAIT: duration('1m'),
    STARLING_WEBHOOK_SECRET_FILE: fileText.pipe(z.string().min(32, 'must hold at least 32 characters')).optional(),
    STARLING_MAX_ATTEMPTS: z.coerce.number().int().min(1).max(20).default(3),
  })
  .superRefine(needBothOfEtcdUser)
  .superRefine((config, context) => {
    const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    const { STARLING_TLS: auto, STARLING_TLS_CERT_FILE: cert } = config;
    needTlsBeyondLoopback(config, context, 'STARLING_TLS=auto');
    if (auto && cert)
      issue('STARLING_TLS', 'makes a certificate, and STARLING_TLS_CERT_FILE gives one: set one of them');
    if (auto && !config.STARLING_DATA)
      issue('STARLING_TLS', 'needs STARLING_DATA, a folder to keep the certificate in');
    if (config.STARLING_OIDC_ISSUER && !config.STARLING_OIDC_CLIENT_ID)
      issue('STARLING_OIDC_ISSUER', 'must be set beside STARLING_OIDC_CLIENT_ID');
    if (config.STARLING_OIDC_ISSUER && !config.STARLING_PUBLIC_URL)
      issue('STARLING_OIDC_ISSUER', 'must be set beside STARLING_PUBLIC_URL, where people come back to');
  })
  .superRefine(({ STARLING_SMTP_URL: server, STARLING_MAIL_FROM: from }, context) => {
    if ((server === undefined) === (from === undefined)) return;
    const [path, beside] = ['STARLING_SMTP_URL', 'STARLING_MAIL_FROM'];
    context.addIssue({
      code: 'custom',
      path: [server ? path : beside],
      message: `must be set beside ${server ? beside : path}`,
    });
  })
  .superRefine(({ STARLING_VERSION_KEYS: clusters, STARLING_REGIONS: regions }, context) => {
    const names = regions.map(({ name }) => name);
    const missing = names.filter((name) => clusters && !clusters.has(name));
    const unknown = [...(clusters?.keys() ?? [])].filter((name) => !names.includes(name));
    const issue = (message: string) => context.addIssue({ code: 'custom', path: ['STARLING_VERSION_KEYS'], message });
    if (missing.length > 0) issue(`names no etcd for ${missing.join(', ')}, which STARLING_REGIONS has`);
    if (unknown.length > 0) issue(`names ${unknown.join(', ')}, which STARLING_REGIONS does not have`);
  });

const worker = z.object({
  ...everyRole,
  STARLING_WORKER: machineId,
  STARLING_DATA: z.string().min(1),
  STARLING_BLOBS: z.string().min(1),
  STARLING_MANIFEST_SIGNING_KEY: fileText,
  STARLING_CONTROL_URL: apiUrl.optional(),
  STARLING_ENROLMENT_TOKEN_FILE: z.string().min(1).optional(),
  STARLING_HEARTBEAT_EVERY: duration('15s'),
  STARLING_POLL_EVERY: duration('5s'),
  STARLING_WORKER_LABELS: labelList,
  STARLING_MANIFEST_PUBLIC_KEYS: fileTexts.optional(),
  STARLING_TREE_BUDGET: z.union([z.literal('0').transform(() => 0), byteSize]).prefault('20GiB'),
  STARLING_DRAIN_ON_STOP: duration('0s').refine((ms) => ms <= longestDrainMs, 'must be at most 24h'),
});

const hub = z
  .object({
    ...everyRole,
    ...etcdUser,
    DATABASE_URL: z.string().min(1).optional(),
    STARLING_VERSION_KEYS: etcdUrl.optional(),
    STARLING_HUB: machineId,
    STARLING_REGION: regionName,
    STARLING_DATA: z.string().min(1),
    STARLING_BLOBS: z.string().min(1),
    STARLING_HOST: z.string().default('127.0.0.1'),
    STARLING_PORT: port.default(0),
    STARLING_TLS: z.literal('off').optional(),
    STARLING_TLS_CERT_FILE: z.string().min(1).optional(),
    STARLING_TLS_KEY_FILE: z.string().min(1).optional(),
    STARLING_BEHIND_PROXY: proxyAddresses.optional(),
    STARLING_SWARM_HOST: z.string().default('127.0.0.1'),
    STARLING_SWARM_PORT: port.default(0),
    STARLING_SWARM_ENCRYPTION: z.enum(['required', 'preferred', 'off']).default('required'),
    STARLING_SWARM_UPLOAD: byteRate.prefault('none'),
    STARLING_RACK_DOWNLOAD: byteRate.prefault('none'),
    STARLING_SHELF_BUDGET: z.union([z.literal('0').transform(() => 0), byteSize]).prefault('20GiB'),
    STARLING_CONTROL_URL: apiUrl,
    STARLING_ENROLMENT_TOKEN_FILE: z.string().min(1).optional(),
    STARLING_IDENTITY_PUBLIC_KEYS: fileTexts,
    STARLING_MANIFEST_PUBLIC_KEYS: fileTexts,
    STARLING_VERSION_PUBLIC_KEYS: fileTexts,
  })
  .superRefine(needBothOfEtcdUser)
  .superRefine((config, context) => {
    needTlsBeyondLoopback(config, context, 'STARLING_TLS=off, if nobody else can read what passes on this network');
    if (config.STARLING_TLS && config.STARLING_TLS_CERT_FILE)
      context.addIssue({ code: 'custom', path: ['STARLING_TLS'], message: 'is off, and a certificate is named' });
  })
  .superRefine(({ DATABASE_URL: database, STARLING_VERSION_KEYS: etcd }, context) => {
    if ((database === undefined) !== (etcd === undefined)) return;
    const found = database === undefined ? 'neither is set' : 'both are';
    context.addIssue({
      code: 'custom',
      path: ['DATABASE_URL'],
      message: `a hub reads its version keys from PostgreSQL or from etcd: set either DATABASE_URL or STARLING_VERSION_KEYS (${found})`,
    });
  });

const roles = { control, worker, hub };
export type RoleName = keyof typeof roles;
export type ControlConfig = z.infer<typeof control>;
export type WorkerConfig = z.infer<typeof worker>;
export type HubConfig = z.infer<typeof hub>;

/** Reads the configuration of one role. INVALID_INPUT names every variable that is missing or wrong. */
export function readConfig<R extends RoleName>(
  role: R,
  environment: NodeJS.ProcessEnv = process.env,
): z.infer<(typeof roles)[R]> {
  const parsed = roles[role].safeParse(environment);
  if (parsed.success) return parsed.data as z.infer<(typeof roles)[R]>;
  const defects = parsed.error.issues.map((issue) => {
    const name = String(issue.path[0]);
    const isMissing = environment[name] === undefined && issue.code !== 'custom';
    return isMissing ? `${name} is not set` : `${name}: ${issue.message}`;
  });
  throw new StarlingError('INVALID_INPUT', `the configuration of ${role} is not complete:\n  ${defects.join('\n  ')}`, {
    field: String(parsed.error.issues[0]?.path[0]),
    fix: 'docs/reference/configuration.md lists every variable.',
  });
}

export const isRole = (word: string): word is RoleName => Object.hasOwn(roles, word);

/** The roles that this environment is for, by the variables that a role needs and no other has. */
export function rolesOf(environment: NodeJS.ProcessEnv = process.env): RoleName[] {
  const own = { control: 'STARLING_REGIONS', worker: 'STARLING_WORKER', hub: 'STARLING_HUB' } as const;
  return (Object.keys(own) as RoleName[]).filter((role) => environment[own[role]] !== undefined);
}

/** The files with secrets that this environment names. */
export function secretFiles(environment: NodeJS.ProcessEnv = process.env): { variable: string; path: string }[] {
  return Object.entries(environment).flatMap(([variable, path]) =>
    path && /^STARLING_\w+_(FILE|SIGNING_KEY)$/.test(variable) && variable !== 'STARLING_TLS_CERT_FILE'
      ? [{ variable, path }]
      : [],
  );
}

const passedToRecipes = [
  'PATH',
  'HOME',
  'LANG',
  'LC_ALL',
  'TZ',
  'SSL_CERT_FILE',
  'NODE_EXTRA_CA_CERTS',
  'SSH_AUTH_SOCK',
];

/** What recipes and git see of the worker's own environment: where programs and certificates are, and no secrets. */
export function recipeEnvironment(environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  return Object.fromEntries(passedToRecipes.flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])));
}
