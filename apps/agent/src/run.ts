import { StarlingError } from '@starling/shared/errors.ts';
import { openSwarm } from '@starling/swarm/open-swarm.ts';
import { pino } from 'pino';
import { startAgent } from './agent.ts';
import { type AgentConfig, readConfig } from './config.ts';

/** Exit codes as sysexits.h has them: a wrong configuration, a defect, something that is not to be had now. */
const exits = { config: 78, software: 70, unavailable: 69 };
const stopLimitMs = 15 * 60_000;

/** Runs the agent until it is told to stop (SIGTERM, SIGINT, or its parent is gone); ends the process. */
export async function runAgent(): Promise<void> {
  const config = configOrExit();
  const log = pino({
    name: 'agent',
    level: config.logLevel,
    timestamp: pino.stdTimeFunctions.isoTime,
    base: { name: 'agent', machine: config.machine, pid: process.pid },
  });
  const onDefect = () => process.exit(exits.software);
  // With a parent that holds an IPC channel, its death is the wish to stop; it must be seen while starting, too.
  const told = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal));
    process.on('disconnect', () => resolve('disconnect'));
  });
  try {
    // A launcher that started this agent takes it from now on for one that works.
    const onWelcome = () => process.send?.({ ready: true });
    const agent = await startAgent({ config, log, openSwarm, onDefect, onWelcome });
    log.info({ why: await told }, 'stopping');
    setTimeout(() => process.exit(exits.software), stopLimitMs).unref();
    await agent.stop();
    process.exit(0);
  } catch (thrown) {
    log.fatal({ err: thrown }, 'the agent cannot run');
    if (thrown instanceof StarlingError) process.stderr.write(`${thrown.message}\n${thrown.fix ?? ''}\n`);
    process.exit(exits.unavailable);
  }
}

function configOrExit(): AgentConfig {
  try {
    return readConfig();
  } catch (thrown) {
    if (!(thrown instanceof StarlingError)) throw thrown;
    process.stderr.write(`${thrown.message}\n${thrown.fix ?? ''}\n`);
    process.exit(exits.config);
  }
}
