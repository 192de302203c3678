import { Command } from 'commander';
import { describeFailure, isUnreachable } from '../failure.ts';
import { followChanges, type Topic } from '../live-changes.ts';
import { parseTimeout, projectArgument } from '../options.ts';
import type { OpenSession, Session } from '../session.ts';
import { Redrawn } from '../terminal/redrawn.ts';
import { type Change, changesBetween } from '../views/overview-changes.ts';
import { describeOverview, type Overview } from '../views/overview-view.ts';
import { narrowTo } from './status.ts';

const topics: readonly Topic[] = ['jobs', 'deployments', 'machines', 'version-keys', 'projects'];

/** `starling watch`: the status, live. */
export function watchCommand(open: OpenSession): Command {
  return new Command('watch')
    .description('the status, live; off a terminal a line for each change, with --json an object for each')
    .addArgument(projectArgument('[project]'))
    .option('--timeout <duration>', 'end after this long (default: when interrupted)', parseTimeout)
    .action(async (project: string | undefined, options: { timeout?: number }, command: Command) => {
      const session = open(command);
      const viewer = session.json
        ? jsonViewer(session)
        : session.terminal.out.isTerminal && session.terminal.canRedraw
          ? liveViewer(session)
          : lineViewer(session);
      await watch(session, project, viewer, options.timeout);
    });
}

interface Viewer {
  first(overview: Overview): void;
  next(overview: Overview, changes: readonly Change[]): void;
  unreachable(reason: string): void;
}

async function watch(
  session: Session,
  project: string | undefined,
  viewer: Viewer,
  timeoutMs: number | undefined,
): Promise<void> {
  const { interrupted, clock } = session;
  const api = await session.api();
  let before = narrowTo(project, await api.overview.get.query());
  viewer.first(before);
  const timedOut = new AbortController();
  const signal = AbortSignal.any([interrupted, timedOut.signal]);
  if (timeoutMs !== undefined) void clock.sleep(timeoutMs, signal).then(() => timedOut.abort());
  const changes = followChanges(api, clock);
  try {
    while (!signal.aborted) {
      await changes.next(topics, signal);
      if (signal.aborted) return;
      try {
        const after = narrowTo(project, await api.overview.get.query(undefined, { signal }));
        viewer.next(after, changesBetween(before, after));
        before = after;
      } catch (thrown) {
        if (signal.aborted) return;
        if (!isUnreachable(thrown)) throw thrown;
        viewer.unreachable(describeFailure(thrown, await session.access()).message);
        await clock.sleep(1_000, signal);
      }
    }
  } finally {
    changes.close();
    timedOut.abort();
  }
}

/** NDJSON: what is, then what changes. */
function jsonViewer({ terminal, clock, say }: Session): Viewer {
  const write = (value: object) => terminal.out.write(`${JSON.stringify(value)}\n`);
  const at = () => new Date(clock.now()).toISOString();
  return {
    first: (overview) => write({ at: at(), kind: 'snapshot', now: overview }),
    next: (_overview, changes) => {
      for (const { text, ...change } of changes) write({ at: at(), ...change, text });
    },
    unreachable: onceEach(say),
  };
}

function lineViewer({ terminal, outInk, clock, say }: Session): Viewer {
  return {
    first: (overview) => terminal.out.write(describeOverview(overview, outInk, clock.now(), undefined)),
    next: (_overview, changes) => {
      for (const change of changes) terminal.out.write(`${new Date(clock.now()).toISOString()} ${change.text}\n`);
    },
    unreachable: onceEach(say),
  };
}

const recentChanges = 8;

function liveViewer({ terminal, outInk, clock }: Session): Viewer {
  const display = new Redrawn(terminal.out);
  const recent: { atMs: number; text: string }[] = [];
  const show = (overview: Overview, remark: string) => {
    const log = recent.map(({ atMs, text }) => `${outInk.paint('quiet', localTime(atMs))} ${text}\n`).join('');
    const status = describeOverview(overview, outInk, clock.now(), terminal.out.columns);
    display.show(`${status}${log && `\n${log}`}${outInk.paint('quiet', remark)}\n`);
  };
  let shown: Overview | undefined;
  return {
    first: (overview) => show((shown = overview), 'Ctrl-C ends this'),
    next: (overview, changes) => {
      for (const change of changes) recent.push({ atMs: clock.now(), text: change.text });
      recent.splice(0, Math.max(0, recent.length - recentChanges));
      show((shown = overview), 'Ctrl-C ends this');
    },
    unreachable: (reason) => shown && show(shown, `STALE: ${reason}`),
  };
}

function localTime(atMs: number): string {
  return new Date(atMs).toTimeString().slice(0, 8);
}

function onceEach(say: (text: string) => void): (text: string) => void {
  let last = '';
  return (text) => {
    if (text !== last) say(text);
    last = text;
  };
}
