// The command that does the same as a button, so that what is done by hand once can be scripted the next time.

/** Quotes for a POSIX shell only what needs it. */
export function quote(word: string): string {
  return /^[A-Za-z0-9@%+=:,./_-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

const line = (...words: (string | false | undefined)[]) =>
  ['starling', ...words.filter((word): word is string => typeof word === 'string' && word !== '')].join(' ');
const option = (name: string, value: string | undefined) => value?.trim() && `--${name} ${quote(value.trim())}`;

export const cli = {
  addProject: (name: string, repositoryUrl: string, defaultRef: string) =>
    line(
      'project add',
      name ? quote(name) : '<name>',
      repositoryUrl ? quote(repositoryUrl) : '<repository>',
      option('ref', defaultRef),
    ),
  build: (project: string, ref: string | undefined, force: boolean) =>
    line('build', quote(project), ref?.trim() && quote(ref.trim()), force && '--force'),
  deploy: (
    project: string,
    buildId: string,
    reason: string,
    replace: boolean,
    more: { queue?: boolean; hotfix?: boolean; waves?: readonly string[]; rollout?: string } = {},
  ) =>
    line(
      'deploy',
      quote(project),
      quote(buildId),
      option('reason', reason),
      replace && '--replace',
      more.queue && '--queue',
      more.hotfix && '--hotfix',
      ...(more.waves ?? []).map((wave) => `--wave ${quote(wave)}`),
      option('rollout', more.rollout),
    ),
  swarm: (deploymentId: number) => line('swarm', String(deploymentId), '--watch'),
  diff: (from: string, to: string) => line('diff', quote(from), quote(to)),
  steer: (verb: 'pause' | 'resume' | 'promote', deploymentId: number, reason: string) =>
    line(verb, String(deploymentId), verb !== 'promote' && option('reason', reason)),
  line: (verb: 'stop' | 'start', project: string | null, reason: string) =>
    line(`${verb}-the-line`, project !== null && quote(project), verb === 'stop' && option('reason', reason)),
  liftQuarantine: (buildId: string, reason: string) =>
    line('quarantine lift', quote(buildId), option('reason', reason)),
  undoRollback: (project: string, reason: string) => line('undo-rollback', quote(project), option('reason', reason)),
  rollback: (project: string, buildId: string | undefined, reason: string) =>
    line('rollback', quote(project), buildId && quote(buildId), option('reason', reason)),
  abort: (deploymentId: number, reason: string) => line('abort', String(deploymentId), option('reason', reason)),
  decide: (decision: 'approve' | 'reject', deploymentId: number, comment: string) =>
    line(decision, String(deploymentId), option('comment', comment)),
  prioritise: (jobId: number, priority: number) => line('prioritise', String(jobId), String(priority)),
  cancel: (jobId: number, reason: string) => line('cancel', String(jobId), option('reason', reason)),
  status: (project?: string) => line('status', project && quote(project)),
  jobs: (filters: { project?: string; status?: string | undefined; group?: string | undefined }) =>
    line(
      'jobs',
      filters.project && quote(filters.project),
      option('status', filters.status?.toLowerCase()),
      option('group', filters.group),
    ),
  builds: (project?: string) => line('builds', project && quote(project)),
  deployments: (project?: string) => line('deployments', project && quote(project)),
  deployment: (deploymentId: number) => line('deployment', String(deploymentId), '--wait'),
  machines: (filters: { region?: string; project?: string; find?: string; state?: string | undefined }) =>
    line(
      'machines',
      option('region', filters.region),
      option('project', filters.project),
      option('find', filters.find),
      option('state', filters.state),
    ),
  approvals: () => line('approvals'),
  history: (filters: { project?: string; build?: string; person?: string; status?: string; from?: string }) =>
    line(
      'history',
      option('project', filters.project),
      option('build', filters.build),
      option('person', filters.person),
      option('status', filters.status?.toLowerCase()),
      option('from', filters.from),
    ),
  trends: (filters: { project?: string; from?: string; bucket?: string }) =>
    line('trends', option('project', filters.project), option('from', filters.from), option('bucket', filters.bucket)),
  audit: (verb: 'list' | 'export', filters: { project?: string; actor?: string; action?: string; from?: string }) =>
    line(
      `audit ${verb}`,
      option('project', filters.project),
      option('actor', filters.actor),
      option('action', filters.action),
      option('from', filters.from),
    ),
  auditVerify: () => line('audit verify'),
  queue: () => line('queue'),
  workers: () => line('workers'),
  drain: (worker: string, resume: boolean) => line(`worker ${resume ? 'resume' : 'drain'}`, quote(worker)),
  regions: () => line('regions'),
  servers: () => line('servers'),
  identities: (filters: { kind?: string; region?: string; revoked?: boolean }) =>
    line('identities', option('kind', filters.kind), option('region', filters.region), filters.revoked && '--revoked'),
  enrol: (kind: string, region: string | undefined, uses: number, hours: number) =>
    line(
      `enrol ${kind}`,
      option('region', region),
      uses !== 1 && `--uses ${uses}`,
      hours !== 24 && `--expires ${hours}h`,
    ),
  revokeIdentity: (kind: string, name: string) => line('identity revoke', kind, quote(name)),
  withdrawInvitation: (id: number) => line('enrol withdraw', String(id)),
  decommission: (machine: string) => line('machine decommission', quote(machine)),
  settings: (project: string, save: boolean) =>
    line('project settings', quote(project), save && `--set ${quote(project)}.yaml`),
  webhookSecret: (project: string, rotate: boolean) => line('webhook secret', quote(project), rotate && '--rotate'),
  accounts: () => line('accounts list'),
  addAccount: (name: string, email: string, hasPassword: boolean) =>
    line('accounts add', name ? quote(name) : '<name>', option('email', email), !hasPassword && '--no-password'),
  grant: (verb: 'grant' | 'revoke', name: string, role: string, project: string | undefined) =>
    line(`accounts ${verb}`, quote(name), role, option('project', project)),
  account: (verb: 'disable' | 'enable' | 'unlock' | 'password', name: string) => line(`accounts ${verb}`, quote(name)),
  changePassword: () => line('accounts change-password'),
  tokens: () => line('tokens list'),
  createToken: (name: string, role: string | undefined, days: number) =>
    line('tokens create', name ? quote(name) : '<name>', option('role', role), days !== 90 && `--days ${days}`),
  revokeToken: (id: number) => line('tokens revoke', String(id)),
  freezes: () => line('freeze list'),
  addFreeze: (freeze: { reason: string; project?: string; from?: string; until?: string; weekly?: string }) =>
    line(
      'freeze add',
      freeze.reason ? quote(freeze.reason) : '<reason>',
      option('project', freeze.project),
      option('from', freeze.from),
      option('until', freeze.until),
      option('weekly', freeze.weekly),
    ),
  liftFreeze: (id: number) => line('freeze lift', String(id)),
  channels: () => line('alerts channels'),
  setChannel: (
    name: string,
    type: 'webhook' | 'slack' | 'email',
    more: { to?: readonly string[]; kinds?: readonly string[]; project?: string },
  ) =>
    line(
      'alerts set-channel',
      name ? quote(name) : '<name>',
      // Addresses and secrets are given to the command in files.
      type === 'email' ? `--email ${more.to?.map(quote).join(' ') || '<address>'}` : `--${type}-file address`,
      more.kinds && `--kinds ${more.kinds.join(' ')}`,
      option('project', more.project),
    ),
  removeChannel: (name: string) => line('alerts remove-channel', quote(name)),
  resendAlerts: () => line('alerts resend'),
  testChannel: (name: string) => line('alerts test', quote(name)),
  collect: (isDryRun: boolean) => line('gc', isDryRun && '--dry-run'),
  doctor: () => line('doctor'),
  logs: (jobId: number) => line('logs', String(jobId), '--follow'),
};
