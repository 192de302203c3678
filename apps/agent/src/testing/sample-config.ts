import type { AgentConfig } from '../config.ts';

/** What an agent of a test is told where the test does not say otherwise: no limits, nothing done now and then, no log. */
export function sampleConfig(): Omit<AgentConfig, 'manifestKeys' | 'versionKeys'> {
  return {
    dataFolder: '',
    machine: 'm1',
    region: 'eu',
    labels: {},
    hubUrl: '',
    tokenFile: undefined,
    swarmHost: '127.0.0.1',
    swarmPort: 0,
    swarmEncryption: 'required',
    swarmUpload: { bytesPerSecond: null, hours: [] },
    swarmDownload: { bytesPerSecond: null, hours: [] },
    prefetchDownload: { bytesPerSecond: null, hours: [] },
    keepSlots: 3,
    keepBytes: 0,
    baseCopies: {},
    driftEveryMs: 0,
    programsOnStop: 'leave',
    runner: { type: 'shell' },
    agentProject: undefined,
    fellBack: undefined,
    logLevel: 'silent',
    programEnvironment: { PATH: '/usr/local/bin:/usr/bin:/bin' },
  };
}
