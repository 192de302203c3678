// Which test follows which document, and what of the documents is only read. test/house/commands-in-docs.test.ts holds both
// against the documents; the reader, against what it ran.

/** The tests that do what these documents say, each command of their blocks in order. */
export const followed: Readonly<Record<string, string>> = {
  'README.md': 'test/system/scenarios/how-to-release.test.ts',
  'docs/tutorial.md': 'test/system/start.test.ts',
  'docs/how-to/alerts.md': 'test/system/scenarios/how-to-run.test.ts',
  'docs/how-to/deployment-tasks.md': 'test/system/scenarios/how-to-release.test.ts',
  'docs/how-to/gates.md': 'test/system/scenarios/how-to-release.test.ts',
  'docs/how-to/history-and-audit.md': 'test/system/scenarios/how-to-run.test.ts',
  'docs/how-to/identities.md': 'test/system/scenarios/how-to-run.test.ts',
  'docs/how-to/release-your-repository.md': 'test/system/scenarios/how-to-release.test.ts',
  'docs/how-to/retention.md': 'test/system/scenarios/how-to-run.test.ts',
  'docs/how-to/roll-back.md': 'test/system/scenarios/how-to-release.test.ts',
  'docs/how-to/rollouts.md': 'test/system/scenarios/how-to-release.test.ts',
  'docs/how-to/run-on-real-machines.md': 'test/system/scenarios/how-to-run.test.ts',
  'docs/how-to/scale-workers.md': 'test/system/scenarios/how-to-run.test.ts',
  'docs/how-to/scripts.md': 'test/system/scenarios/how-to-release.test.ts',
  'docs/how-to/several-servers.md': 'test/system/scenarios/how-to-run.test.ts',
  'docs/how-to/sign-in.md': 'test/system/scenarios/how-to-run.test.ts',
  'docs/how-to/watch-bytes-move.md': 'test/system/scenarios/how-to-release.test.ts',
  'docs/how-to/webhooks.md': 'test/system/scenarios/how-to-release.test.ts',
  'docs/reference/http-api.md': 'test/system/scenarios/how-to-release.test.ts',
  'docs/reference/project-settings.md': 'test/system/scenarios/how-to-release.test.ts',
  'docs/runbooks.md': 'test/system/scenarios/runbooks.test.ts',
  'docs/training/administrators.md': 'test/system/scenarios/training.test.ts',
  'docs/training/on-call.md': 'test/system/scenarios/training.test.ts',
  'docs/training/release-managers.md': 'test/system/scenarios/training.test.ts',
};

export interface OnlyRead {
  document: string;
  section: string;
  /** How it begins. */
  command: string;
  /** Why no test runs it. */
  because: string;
}

/** What blocks show and no test types: that the CLI would take it is tried, and no more. */
export const onlyRead: readonly OnlyRead[] = [
  {
    document: 'README.md',
    section: 'Try it',
    command: 'npm start',
    because: 'test/system/start.test.ts runs what it runs, without npm',
  },
  {
    document: 'README.md',
    section: 'Try it',
    command: 'npm test',
    because: 'it is what runs the tests',
  },
  {
    document: 'docs/how-to/desktop-console.md',
    section: 'Try it',
    command: 'npm run desktop',
    because: "it needs Electron's own program, which is fetched when it is first used, and a screen",
  },
  {
    document: 'docs/how-to/desktop-console.md',
    section: 'Build it',
    command: 'npm run build:desktop',
    because: "it packs Electron's own program, for minutes; what goes into it is looked at in apps/desktop",
  },
  {
    document: 'docs/how-to/scripts.md',
    section: 'Let the shell complete it',
    command: 'completion zsh',
    because: 'only zsh knows fpath; the same is done in apps/cli/src/completion, where zsh is installed',
  },
  ...['etcdctl user add', 'etcdctl role add', 'etcdctl role grant-permission', 'etcdctl user grant-role'].map(
    (command) => ({
      document: 'docs/how-to/use-etcd.md',
      section: 'Keep version keys in etcd',
      command,
      because:
        'etcdctl comes in a package of its own; users and roles are asked for by test/integration/version-keys.test.ts',
    }),
  ),
  {
    document: 'docs/how-to/use-etcd.md',
    section: 'What is where',
    command: 'etcdctl get',
    because: 'etcdctl comes in a package of its own; what is there is read by test/integration/version-keys.test.ts',
  },
];
