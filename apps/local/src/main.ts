import { formatDuration } from '@starling/shared/durations.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { buildConsole } from './build-console.ts';
import { type LocalConfig, readLocalConfig } from './config.ts';
import { isMainJobDone, type MainJobOptions, runMainJob, sampleProject, untilMachinesAreBack } from './main-job.ts';
import { type LocalStarling, startLocalStarling } from './starling.ts';

// `npm start`: a whole Starling on this machine, and on the first run the main job.

const say = (line: string) => process.stdout.write(`${line}\n`);
const stopping = Promise.withResolvers<'stopped'>();
for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect'] as const)
  process.on(event, () => stopping.resolve('stopped'));

let starling: LocalStarling | undefined;
let exitCode = 0;
try {
  exitCode = await run(readLocalConfig());
} catch (thrown) {
  exitCode = 1;
  explain(thrown);
} finally {
  if (starling) {
    say('\nStopping …');
    await starling.stop();
    say('Stopped. The next npm start goes on from here.');
  }
}
process.exit(exitCode);

async function run(config: LocalConfig): Promise<number> {
  const startedAt = Date.now();
  say(`Starling, with everything it keeps in ${config.data}`);
  await buildConsole(config.inherited, say);
  starling = await startLocalStarling({
    data: config.data,
    controlPort: config.controlPort,
    inherited: config.inherited,
    onPart: (part) => say(`Starting ${part} …`),
  });
  for (const { name, port, movedFrom } of starling.ports) {
    if (movedFrom !== undefined)
      say(`Port ${movedFrom} for ${name} is taken by another program; it listens on ${port} instead.`);
  }
  const { api, machines } = starling;
  const options: MainJobOptions = { api, machines, data: config.data, searchPath: config.inherited.PATH ?? '' };
  let failure: unknown;
  try {
    const job = (await isMainJobDone(api)) ? untilMachinesAreBack(options) : runMainJob(options);
    if ((await Promise.race([job, stopping.promise])) === 'stopped') return 130;
    say(
      `${machines.length} machines run what they were told to, ${formatDuration(Date.now() - startedAt)} after the start.`,
    );
  } catch (thrown) {
    failure = thrown;
    explain(thrown);
  }
  if (config.exitWhenDone) return failure === undefined ? 0 : 1;
  await sayWhatNext(starling);
  await stopping.promise;
  return failure === undefined ? 0 : 1;
}

async function sayWhatNext({ api, url, token }: LocalStarling): Promise<void> {
  const versions = await api.builds.versions.query({ project: sampleProject }).catch(() => []);
  const current = versions.find((version) => version.current);
  say(`
Console    ${url}
Sign in    ${url}/#sign-in=${token}
           (or paste the token: it is in secrets/admin.token of the data folder)

Try next, in another terminal:
  npx starling status                          what runs where
  npx starling build ${sampleProject} v2 --wait             build the next commit
  npx starling deploy ${sampleProject} <build> --wait       and put it on all machines${current ? `; now they run ${current.id}` : ''}

Ctrl-C stops everything; the next npm start goes on where it was.`);
}

function explain(thrown: unknown): void {
  process.stderr.write(`\nstarling: ${messageOf(thrown)}\n`);
  if (thrown instanceof StarlingError && thrown.fix) process.stderr.write(`${thrown.fix}\n`);
}
