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
  deploy: (project: string, buildId: string, reason: string, replace: boolean) =>
    line('deploy', quote(project), quote(buildId), option('reason', reason), replace && '--replace'),
  rollback: (project: string, buildId: string | undefined, reason: string) =>
    line('rollback', quote(project), buildId && quote(buildId), option('reason', reason)),
  abort: (deploymentId: number, reason: string) => line('abort', String(deploymentId), option('reason', reason)),
  decide: (decision: 'approve' | 'reject', deploymentId: number, comment: string) =>
    line(decision, String(deploymentId), option('comment', comment)),
  cancel: (jobId: number, reason: string) => line('cancel', String(jobId), option('reason', reason)),
  status: (project?: string) => line('status', project && quote(project)),
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
  logs: (jobId: number) => line('logs', String(jobId), '--follow'),
};
