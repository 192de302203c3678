// Objects as the API sends them, for tests; each is overridden where a test cares.

export const sha = '1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b';
export const at = '2026-01-01T12:00:00.000Z';

export function sampleJob(over: object = {}) {
  return {
    id: 12,
    project: 'hello',
    commitSha: sha,
    requestedRef: 'main',
    requestedBy: 'ann',
    repositoryUrl: '/srv/hello',
    binaryName: 'hello',
    status: 'QUEUED',
    stage: null,
    attempts: 0,
    maxAttempts: 3,
    deadlineMs: 900_000,
    worker: null,
    failureReason: null,
    buildId: null,
    createdAt: at,
    startedAt: null,
    lastHeartbeatAt: null,
    finishedAt: null,
    stages: [],
    ...over,
  };
}

export function sampleReplica(region: string, over: object = {}) {
  return {
    buildId: 'hello@1a2b3c4d5e6f',
    region,
    status: 'REPLICATED',
    bytesDone: 1024,
    bytesTotal: 1024,
    attempts: 1,
    failureReason: null,
    nextAttemptAt: at,
    startedAt: at,
    finishedAt: at,
    ...over,
  };
}

export function sampleBuild(over: object = {}) {
  return {
    id: 'hello@1a2b3c4d5e6f',
    project: 'hello',
    commitSha: sha,
    jobId: 12,
    commitAuthor: 'Ann',
    commitSubject: 'Say hello',
    committedAt: at,
    manifestDigest: 'd'.repeat(64),
    manifestBytes: 900,
    packDigest: 'e'.repeat(64),
    packBytes: 1024,
    streamBytes: 4096,
    newBytes: 2048,
    chunkCount: 4,
    newChunkCount: 2,
    patchBytes: 0,
    fileCount: 1,
    createdAt: at,
    replicas: [sampleReplica('eu'), sampleReplica('us')],
    deployable: true,
    notDeployableBecause: null as string | null,
    proven: false,
    ...over,
  };
}

export function sampleRegion(region: string, over: object = {}) {
  return {
    region,
    machines: 4,
    done: 0,
    inProgress: 4,
    failed: 0,
    offline: 0,
    waiting: 0,
    notReached: 0,
    bytesDone: 0,
    bytesTotal: 0,
    bytesPerSecond: 0,
    ...over,
  };
}

export function sampleDeployment(over: object = {}) {
  return {
    id: 3,
    project: 'hello',
    buildId: 'hello@1a2b3c4d5e6f',
    kind: 'DEPLOY',
    previousBuildId: null,
    requestedBy: 'ann',
    reason: '',
    status: 'RUNNING',
    outcome: null,
    gates: [],
    approvals: [],
    salt: 'salt',
    plan: null,
    wave: 1,
    pausedAt: null,
    stopped: null,
    checking: null,
    createdAt: at,
    finishedAt: null,
    build: sampleBuild(),
    regions: [sampleRegion('eu'), sampleRegion('us')],
    ...over,
  };
}

export function sampleCell(region: string, over: object = {}) {
  return {
    region,
    desiredBuild: 'hello@1a2b3c4d5e6f' as string | null,
    machines: 4,
    online: 4,
    observed: [{ build: 'hello@1a2b3c4d5e6f' as string | null, machines: 4 }],
    upToDate: 4,
    failed: 0,
    ...over,
  };
}

export function sampleOverview(over: object = {}, project: object = {}) {
  return {
    projects: [
      {
        name: 'hello',
        repositoryUrl: '/srv/hello',
        defaultRef: 'HEAD',
        binaryName: 'hello',
        createdBy: 'ann',
        createdAt: at,
        regions: [sampleCell('eu'), sampleCell('us')],
        lastDeployment: { ...sampleDeployment({ status: 'SUCCEEDED' }), commitSha: sha, commitSubject: 'Say hello' },
        lastJob: null as object | null,
        ...project,
      },
    ],
    regions: [
      { region: 'eu', machines: 4, online: 4, heardAt: at, keysError: null },
      { region: 'us', machines: 4, online: 4, heardAt: at, keysError: null },
    ],
    serverTime: at,
    version: '0.1.0',
    ...over,
  };
}

/** What a deployment would do: one wave of everyone. */
export function samplePreview(over: object = {}) {
  const regions = ['eu', 'us'].map((region) => ({ region, machines: 4, first: [`${region}-1`] }));
  return {
    plan: {},
    waves: [{ wave: 1, who: 'everyone', bakeMs: 0, regions }],
    atLeastMs: 0,
    nobodyIn: [],
    quarantined: null,
    ...over,
  };
}
