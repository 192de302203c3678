import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunSpec } from '@starling/shared/manifest.ts';
import { TrustedKeys } from '@starling/shared/signing.ts';
import { pino } from 'pino';
import { type Agent, type AgentOptions, startAgent } from '../agent.ts';
import type { AgentConfig } from '../config.ts';
import { FakeHub } from './fake-hub.ts';
import { FakeSwarm } from './fake-swarm.ts';
import { manifestKey, publish, type SampleBuild, sampleBuild, versionKeyPair } from './sample-build.ts';
import { sampleConfig } from './sample-config.ts';

/** A fake hub, a folder of builds, and the data folder of one agent. Programs count their starts in a file. */
export class Scene {
  readonly folder: string;
  readonly hub: FakeHub;
  swarm: FakeSwarm;
  agent: Agent | undefined;

  private constructor(folder: string, hub: FakeHub) {
    this.folder = folder;
    this.hub = hub;
    this.swarm = new FakeSwarm(join(folder, 'packs'));
  }

  static async open(): Promise<Scene> {
    const folder = await mkdtemp(join(tmpdir(), 'starling-agent-'));
    await writeFile(join(folder, 'token'), `${FakeHub.token}\n`);
    return new Scene(folder, await FakeHub.start(folder));
  }

  get data(): string {
    return join(this.folder, 'data');
  }

  get project(): string {
    return join(this.data, 'projects', 'hello');
  }

  get config(): AgentConfig {
    return {
      ...sampleConfig(),
      dataFolder: this.data,
      labels: { rack: 'r1' },
      hubUrl: this.hub.url,
      tokenFile: join(this.folder, 'token'),
      manifestKeys: new TrustedKeys('manifest', [manifestKey.publicPem]),
      versionKeys: new TrustedKeys('version-key', [versionKeyPair.publicPem]),
    };
  }

  /** Starts an agent over the data folder; it replaces the one before, which must be stopped. */
  async start(options: Partial<AgentOptions> & { configChange?: Partial<AgentConfig> } = {}): Promise<Agent> {
    const { configChange, ...rest } = options;
    this.swarm = new FakeSwarm(join(this.folder, 'packs'));
    this.agent = await startAgent({
      config: { ...this.config, ...configChange },
      openSwarm: async () => this.swarm,
      smallFetchBytes: 0,
      log: pino({ level: 'silent' }),
      ...rest,
    });
    return this.agent;
  }

  async stopAgent(programsOnStop: 'leave' | 'stop' = 'leave'): Promise<void> {
    if (programsOnStop === 'stop') {
      await this.agent?.stop();
      await this.start({ configChange: { programsOnStop } });
    }
    await this.agent?.stop();
    this.agent = undefined;
  }

  /** A published build whose program is a shell script that counts its starts and then runs `script`. */
  async build(
    sha: string,
    deployment: number,
    script = 'exec sleep 600',
    run: Partial<RunSpec> = {},
  ): Promise<SampleBuild> {
    const text = `echo "$STARLING_BUILD" >> "${join(this.folder, 'starts')}"\n${script}\n`;
    const tree = {
      'bin/run.sh': { executable: text },
      'version.txt': `${sha}\n`,
      'bin/link': { link: 'run.sh' },
      empty: null,
    };
    const spec = { command: 'exec sh bin/run.sh', ...run };
    const build = sampleBuild(sha, tree, spec, { deployment });
    await publish(this.folder, build);
    return build;
  }

  /** The builds whose programs were started, in order. */
  async starts(): Promise<string[]> {
    const text = await readFile(join(this.folder, 'starts'), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  /** What the `current` link leads to. */
  async currentVersion(): Promise<string | undefined> {
    const text = await readFile(join(this.project, 'current', 'version.txt'), 'utf8').catch(() => undefined);
    return text?.trim();
  }

  async programPid(): Promise<number> {
    const record = JSON.parse(await readFile(join(this.project, 'program.json'), 'utf8')) as {
      process: { pid: number };
    };
    return record.process.pid;
  }

  /** Ends everything, programs too. */
  async close(): Promise<void> {
    await this.stopAgent('stop');
    await this.hub.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Waits for a condition that nothing announces; how long it takes is not what is tested. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const until = Date.now() + 15_000;
  while (!(await condition())) {
    if (Date.now() > until) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
