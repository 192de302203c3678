import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from '@starling/local/child.ts';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { enrolmentFor } from '@starling/local/enrol.ts';
import type { StarlingUnderTest } from '../starling-under-test.ts';

const agentProgram = fileURLToPath(new URL('../../../apps/agent/src/main.ts', import.meta.url));

/** One more real machine in a region, with an environment of its own. */
export async function startExtraMachine(
  starling: StarlingUnderTest,
  machine: string,
  region: string,
  environment: Record<string, string> = {},
): Promise<{ child: Child; dataFolder: string }> {
  const secrets = join(starling.data, 'secrets');
  const dataFolder = environment.STARLING_AGENT_DATA ?? join(starling.data, 'machines', machine);
  await mkdir(dataFolder, { recursive: true });
  const inherited = inheritedEnvironment();
  const port = starling.ports.find(({ name }) => name === `hub ${region}`)!.port;
  const tokenFile = join(secrets, `agent-${machine}.token`);
  const enrolment = await enrolmentFor(starling.api, { kind: 'agent', name: machine, region, dataFolder, tokenFile });
  const child = new Child({
    name: `agent-${machine}`,
    program: agentProgram,
    programArguments: [],
    logFile: join(starling.data, 'logs', `agent-${machine}.log`),
    saysReady: false,
    environment: {
      ...inherited,
      PATH: `${dirname(process.execPath)}:${inherited.PATH ?? ''}`,
      NODE_COMPILE_CACHE: join(starling.data, 'compile-cache'),
      STARLING_AGENT_DATA: dataFolder,
      STARLING_MACHINE: machine,
      STARLING_REGION: region,
      STARLING_HUB_URL: `http://127.0.0.1:${port}`,
      STARLING_PROGRAMS_ON_STOP: 'stop',
      STARLING_MANIFEST_PUBLIC_KEYS: join(secrets, 'manifest.pub'),
      STARLING_VERSION_PUBLIC_KEYS: join(secrets, 'version.pub'),
      ...enrolment,
      ...environment,
    },
  }).start();
  return { child, dataFolder };
}
