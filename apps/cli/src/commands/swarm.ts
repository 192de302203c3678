import { Argument, Command, InvalidArgumentError } from 'commander';
import type { Api } from '../client.ts';
import { followChanges } from '../live-changes.ts';
import { parsePositive, parseTimeout } from '../options.ts';
import type { OpenSession, Session } from '../session.ts';
import { Redrawn } from '../terminal/redrawn.ts';
import { describeSwarm, explainMachine, type Swarm } from '../views/swarm-view.ts';

type Named = { deployment: number } | { build: string };

/** Hubs say what they see every two seconds: the last of it may come after the deployment has ended. */
const lastViewsMs = 6_000;
const lookAgainMs = 500;

interface SwarmOptions {
  watch?: boolean;
  timeout?: number;
}

/** `starling swarm`: how the bytes of a deployment move between machines. */
export function swarmCommand(open: OpenSession): Command {
  const swarm = new Command('swarm')
    .description('how bytes move: how many machines have how much, from where, how fast, which are slow and why')
    .addArgument(
      new Argument('<deployment>', "a deployment's number, or a build's id for all deployments of it").argParser(
        parseNamed,
      ),
    )
    .option('--watch', 'go on showing it until it is over or you interrupt; with --json an object a line')
    .option('--timeout <duration>', 'with --watch: end after this long (default: when interrupted)', parseTimeout)
    .action(async (named: Named, options: SwarmOptions, command: Command) => {
      const session = open(command);
      const api = await session.api();
      if (options.watch) return watch(session, api, named, options.timeout);
      const found = await api.swarm.get.query(named);
      session.print(found, () =>
        describeSwarm(found, session.outInk, session.clock.now(), session.terminal.out.columns),
      );
      const slow = found.view?.slowest[0];
      if (slow) session.suggest(`in words: starling swarm explain ${slow.machine}`);
    });

  swarm
    .command('explain')
    .description('what a machine fetches, how far it is, from whom, and what it waits for')
    .argument('<machine>', 'list them with: starling machines')
    .action(async (machine: string, _options: object, command: Command) => {
      const session = open(command);
      const explained = await (await session.api()).swarm.machine.query({ machine });
      session.print(explained, () => explainMachine(explained, session.clock.now()));
    });
  return swarm;
}

function parseNamed(text: string): Named {
  if (/^[^@\s]+@[0-9a-f]/.test(text)) return { build: text };
  const number = text.replace(/^#/, '');
  if (/^\d+$/.test(number)) return { deployment: parsePositive(number) };
  throw new InvalidArgumentError('It is a number such as 12, or a build id such as shop@1a2b3c4d5e6f.');
}

async function watch(session: Session, api: Api, named: Named, timeoutMs: number | undefined): Promise<void> {
  const { clock, interrupted, outInk, terminal } = session;
  const timedOut = new AbortController();
  const signal = AbortSignal.any([interrupted, timedOut.signal]);
  if (timeoutMs !== undefined) void clock.sleep(timeoutMs, signal).then(() => timedOut.abort());
  const changes = followChanges(api, clock);
  const display = terminal.out.isTerminal && terminal.canRedraw ? new Redrawn(terminal.out) : undefined;
  let last = '';
  let endsBy: number | undefined;
  const show = (swarm: Swarm) => {
    const text = session.json
      ? `${JSON.stringify(swarm)}\n`
      : describeSwarm(swarm, outInk, clock.now(), terminal.out.columns);
    if (display) display.show(text);
    else if (text !== last) terminal.out.write(session.json || last === '' ? text : `\n${text}`);
    last = text;
  };
  try {
    while (!signal.aborted) {
      const swarm = await api.swarm.get.query(named, { signal });
      show(swarm);
      if (swarm.status === 'RUNNING' || swarm.status === 'WAITING') {
        await changes.next(['machines', 'deployments'], signal);
        continue;
      }
      const isComplete = !swarm.view || swarm.view.shares.slice(0, -1).every((machines) => machines === 0);
      endsBy ??= clock.now() + lastViewsMs;
      if (isComplete || clock.now() >= endsBy) return;
      await clock.sleep(lookAgainMs, signal);
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  } finally {
    changes.close();
    timedOut.abort();
  }
}
