import { createHash } from 'node:crypto';
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, signManifest } from '@starling/packs/signed-manifest.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { formatBytes, formatDuration } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { parseRecipe, type Recipe } from '@starling/shared/recipe.ts';
import type { Signer } from '@starling/shared/signing.ts';
import type { JobStage } from '@starling/shared/words.ts';
import { type PackedArtifact, packArtifact } from '../artifacts/pack.ts';
import { type BlobStore, manifestKey, packKey } from '../blobs/blob-store.ts';
import { bytesSource, fileSource } from '../blobs/file-source.ts';
import type { ProcessBook } from '../processes/process-book.ts';
import { type CommandEnd, runCommand } from '../processes/run-command.ts';
import type { BuildCache } from './build-cache.ts';
import { type Commit, checkOut } from './checkout.ts';
import { almostFull, type FreeBytes } from './disk-watch.ts';
import { GitError, withoutCredentials } from './git.ts';
import type { JobLog } from './job-log.ts';
import type { Mirrors } from './mirror.ts';
import type { Attempt, FinishedBuild, LiveBuild, NewPack, RecordedCommit } from './ports.ts';
import { previousTree } from './previous-tree.ts';
import { recentCommits } from './recent-commits.ts';
import type { AttemptFolder } from './work-home.ts';

/** What the stages of one attempt work with. */
export interface AttemptTools {
  attempt: Attempt;
  folder: AttemptFolder;
  mirrors: Mirrors;
  processes: ProcessBook;
  blobs: BlobStore;
  signer: Signer;
  clock: Clock;
  jobLog: JobLog;
  /** PATH, HOME and LANG for recipes. */
  environment: Record<string, string>;
  graceMs: number;
  minFreeBytes: number;
  freeBytesOf: FreeBytes;
  /** Ends the attempt, with an AttemptEnd as its reason. */
  signal: AbortSignal;
  enterStage(stage: JobStage): Promise<void>;
  reserveBuildId(): Promise<string>;
  /** Builds of the project whose bytes are kept, the newest first. */
  liveBuilds(most: number): Promise<LiveBuild[]>;
  recordPack(pack: NewPack): Promise<void>;
  recordCommits(commits: readonly RecordedCommit[]): Promise<void>;
  /** Manifests and trees of earlier builds on this machine. */
  cache: BuildCache;
}

/** Of how many builds chunks are borrowed. */
const mostEarlier = 8;

const maxRecipeBytes = 256 * 1024;
const checkoutTimeoutMs = 10 * 60_000;

/** Takes a commit through all stages. What it returns is in the main blob store; nothing is recorded yet. */
export async function buildAttempt(tools: AttemptTools): Promise<FinishedBuild> {
  const startedAt = tools.clock.now();
  await tools.enterStage('CHECKOUT');
  const commit = await checkOutStage(tools);
  const { recipe, digest: recipeDigest } = await readRecipe(tools);

  await tools.enterStage('RECIPE');
  await recipeStage(tools, recipe, commit);

  await tools.enterStage('PACK');
  const packFile = join(tools.folder.scratch, 'pack');
  const packed = await packStage(tools, recipe, packFile);
  const build = await tools.reserveBuildId();
  const { attempt, signer, clock } = tools;
  const provenance = {
    repositoryUrl: withoutCredentials(attempt.repositoryUrl),
    commitSha: attempt.commitSha,
    recipeDigest,
    worker: attempt.worker,
    startedAt,
    finishedAt: clock.now(),
  };
  const details = { project: attempt.project, provenance, run: recipe.run };
  const signed = signManifest({ build, details, ...packed.tree }, signer);

  await tools.enterStage('UPLOAD');
  await uploadStage(tools, packed.newPack, packFile, signed);
  const { newPack, tree } = packed;
  await tools.cache.keep({ ...tree, ...details, build, digest: signed.digest }, packed.files);
  return {
    buildId: build,
    commitAuthor: commit.author,
    commitSubject: commit.subject,
    committedAt: commit.committedAt,
    manifestDigest: signed.digest,
    manifestBytes: signed.bytes.length,
    streamBytes: packed.streamBytes,
    newBytes: packed.newBytes,
    chunkCount: tree.chunks.length,
    newChunkCount: packed.newChunkCount,
    packDigest: newPack?.digest ?? null,
    packBytes: newPack?.sizeBytes ?? 0,
    patchBytes: newPack?.patchBytes ?? 0,
    packs: tree.packs.map(({ digest }) => digest),
    fileCount: packed.fileCount,
    rollout: recipe.rollout,
  };
}

async function checkOutStage(tools: AttemptTools): Promise<Commit> {
  const { attempt, mirrors, jobLog, signal, processes, clock, folder } = tools;
  const { repositoryUrl: url, commitSha: sha } = attempt;
  jobLog.line(`checkout ${sha} of ${withoutCredentials(url)}`);
  const took = stopwatch(clock);
  const once = async () => {
    const { gitDir, fetched } = await mirrors.ensureCommit(url, sha, signal);
    const fetchedIn = fetched ? `, fetched in ${took()}` : ', which was in the mirror';
    const request = { gitDir, sha, folder: folder.checkout, signal, processes, timeoutMs: checkoutTimeoutMs };
    return { commit: await checkOut(request), fetchedIn };
  };
  const { commit, fetchedIn } = await once().catch(async (thrown) => {
    if (!(thrown instanceof GitError) || thrown.timedOut) throw thrown;
    jobLog.line(`the mirror cannot be read (${thrown.message}); it is built anew`);
    await mirrors.discard(url, sha, signal);
    return once();
  });
  // What led here is told where git can tell it; a build needs none of it.
  const found = await recentCommits(folder.checkout, sha, { signal, processes }).catch((thrown) => {
    if (!(thrown instanceof GitError)) throw thrown;
    jobLog.line(`  note: its history could not be read: ${thrown.message}`);
    return [];
  });
  if (found.length > 0) await tools.recordCommits(found);
  jobLog.line(`  by ${commit.author}: ${commit.subject}`);
  jobLog.line(`  checked out in ${took()}${fetchedIn}`);
  if (await lstat(join(folder.checkout, '.gitmodules')).catch(() => undefined))
    jobLog.line('  note: .gitmodules is there, but submodules are not checked out; the recipe can do that');
  return commit;
}

async function readRecipe({ folder, attempt }: AttemptTools): Promise<{ recipe: Recipe; digest: string }> {
  const file = join(folder.checkout, 'starling.yml');
  const stats = await lstat(file).catch(() => undefined);
  const fail = (what: string) =>
    new StarlingError('INVALID_INPUT', `${what} at ${attempt.commitSha.slice(0, 12)}`, {
      field: 'starling.yml',
      fix: 'Commit a starling.yml at the top of the repository; docs/reference/starling-yml.md lists its fields.',
    });
  if (!stats) throw fail('there is no starling.yml');
  if (!stats.isFile()) throw fail('starling.yml is not a plain file');
  if (stats.size > maxRecipeBytes) throw fail(`starling.yml has more than ${formatBytes(maxRecipeBytes)}`);
  const text = await readFile(file, 'utf8');
  return { recipe: parseRecipe(text), digest: createHash('sha256').update(text).digest('hex') };
}

async function recipeStage(tools: AttemptTools, recipe: Recipe, commit: Commit): Promise<void> {
  const { attempt, folder, jobLog, clock, signal, processes, graceMs } = tools;
  const { command, timeoutMs } = recipe.build;
  jobLog.line(`running: ${command}`);
  const took = stopwatch(clock);
  const end = await runCommand({
    command,
    folder: folder.checkout,
    scratch: folder.scratch,
    environment: {
      ...tools.environment,
      ...recipe.build.environment,
      CI: 'true',
      STARLING_PROJECT: attempt.project,
      STARLING_COMMIT: attempt.commitSha,
      SOURCE_DATE_EPOCH: String(commit.committedAt.getTime() / 1_000),
      TMPDIR: folder.temporary,
    },
    timeoutMs,
    graceMs,
    onOutput: (text) => jobLog.output(text),
    signal,
    clock,
    processes,
  });
  signal.throwIfAborted();
  if (end.leftProcesses) jobLog.line('the recipe left processes running; they were ended');
  const full =
    end.exitCode === 0 ? undefined : await almostFull(folder.checkout, tools.minFreeBytes, tools.freeBytesOf);
  if (full !== undefined) throw new StarlingError('UNAVAILABLE', `${full}; the recipe failed (${howItEnded(end)})`);
  if (end.timedOut)
    throw new StarlingError(
      'TIMEOUT',
      `recipe took longer than its timeout of ${formatDuration(timeoutMs)} and was ended${lastWords(end)}`,
      { field: 'build.timeout', fix: 'Make the recipe faster, or raise build.timeout in starling.yml.' },
    );
  if (end.exitCode !== 0)
    throw new StarlingError('INVALID_INPUT', `recipe ${howItEnded(end)}${lastWords(end)}`, { field: 'build.command' });
  jobLog.line(`recipe finished in ${took()}`);
}

async function packStage(tools: AttemptTools, recipe: Recipe, packFile: string): Promise<PackedArtifact> {
  const { attempt, blobs, cache, folder, jobLog, signal, clock } = tools;
  const { artifact } = recipe.build;
  jobLog.line(`packing ${artifact}`);
  const took = stopwatch(clock);
  const [newest, ...older] = await cache.manifests(attempt.project, await tools.liveBuilds(mostEarlier));
  const earlier: readonly Manifest[] = newest ? [newest, ...older] : [];
  const packed = await packArtifact({
    root: folder.checkout,
    artifactPath: artifact,
    binaryName: attempt.binaryName,
    packFile,
    earlier,
    previousTree: async () =>
      newest &&
      previousTree({
        earlier: [newest, ...older],
        cache,
        blobs,
        scratch: folder.scratch,
        signal,
        say: (line) => jobLog.line(line),
      }),
    signal,
  });
  const { newPack, fileCount, streamBytes, newBytes } = packed;
  const files = fileCount === 1 ? '1 file' : `${fileCount} files`;
  jobLog.line(`  ${files}, ${formatBytes(streamBytes)}, packed in ${took()}`);
  const share = `${((newBytes / streamBytes) * 100).toFixed(1)} %`;
  const { sizeBytes = 0, patchBytes = 0, digest = '' } = newPack ?? {};
  jobLog.line(
    newPack
      ? `  ${share} of it is new: ${formatBytes(sizeBytes - patchBytes)} of chunks and ${formatBytes(patchBytes)} of patches in the pack ${digest}`
      : '  nothing of it is new: every chunk is in packs of earlier builds',
  );
  return packed;
}

async function uploadStage(
  tools: AttemptTools,
  newPack: NewPack | undefined,
  packFile: string,
  manifest: { bytes: Buffer; digest: string },
): Promise<void> {
  const { blobs, jobLog, signal, clock } = tools;
  jobLog.line(`uploading to ${blobs.description}`);
  const took = stopwatch(clock);
  // Noted before the store is asked whether it has it: what is noted is not deleted.
  if (newPack) await tools.recordPack(newPack);
  if (newPack) await uploadPack(tools, newPack, packFile);
  // The manifest last: where it is, its pack is.
  await blobs.upload(manifestKey(manifest.digest), bytesSource(manifest.bytes), { signal });
  jobLog.line(`  uploaded in ${took()}: manifest ${manifest.digest}`);
}

async function uploadPack({ blobs, jobLog, signal, clock }: AttemptTools, { digest }: NewPack, packFile: string) {
  const source = await fileSource(packFile);
  let [first, saidAt] = [true, clock.now()];
  const onProgress = (bytesDone: number) => {
    if (first && bytesDone > 0)
      jobLog.line(`  ${formatBytes(bytesDone)} of ${formatBytes(source.sizeBytes)} were there`);
    first = false;
    if (clock.now() - saidAt < 5_000) return;
    saidAt = clock.now();
    jobLog.line(`  ${formatBytes(bytesDone)} of ${formatBytes(source.sizeBytes)}`);
  };
  if ((await blobs.sizeOf(packKey(digest))) === source.sizeBytes) jobLog.line('  the same pack is there already');
  else await blobs.upload(packKey(digest), source, { signal, onProgress });
}

const howItEnded = (end: CommandEnd): string =>
  end.exitCode === null ? `was ended by ${end.endedBy}` : `exited with code ${end.exitCode}`;

const lastWords = (end: CommandEnd): string =>
  end.lastLines.length === 0 ? '' : `: ${end.lastLines.join(' | ').slice(-600)}`;

function stopwatch(clock: Clock): () => string {
  const startedAt = clock.now();
  return () => formatDuration(clock.now() - startedAt);
}
