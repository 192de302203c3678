import { type Clock, systemClock } from '@starling/shared/clock.ts';
import type { Command } from 'commander';
import { type Access, findAccess } from './access.ts';
import { type Api, connect } from './client.ts';
import type { Config } from './config.ts';
import { openTerminal, type Terminal } from './terminal/terminal.ts';
import type { Ink } from './terminal/wording.ts';

/** What one run of a command has at hand. */
export interface Session {
  config: Config;
  terminal: Terminal;
  clock: Clock;
  /** Aborted by Ctrl-C. */
  interrupted: AbortSignal;
  /** `--json` was given: stdout carries JSON and nothing else. */
  json: boolean;
  /** Finds the server on the first call. */
  access(): Promise<Access>;
  api(): Promise<Api>;
  /** How stdout and stderr are written on. */
  outInk: Ink;
  errInk: Ink;
  /** Data for a person or, with --json, for a program: one of the two is written to stdout. */
  print(data: unknown, text: () => string): void;
  /** Something said on the way, on stderr. */
  say(text: string): void;
  /** What to do next, on stderr. */
  suggest(text: string): void;
}

/** Makes the session of a command when its action begins, with the global options of its command line. */
export type OpenSession = (command: Command) => Session;

export interface GlobalOptions {
  json?: boolean;
  server?: string;
  tokenFile?: string;
}

/** `onAccess` hears of the server once it is known, so that errors can name it. */
export function sessionOpener(
  config: Config,
  interrupted: AbortSignal,
  onAccess: (access: Access) => void,
): OpenSession {
  return (command) => {
    const flags = command.optsWithGlobals<GlobalOptions>();
    const terminal = openTerminal(config);
    const json = flags.json === true;
    let finding: Promise<Access> | undefined;
    const access = () => {
      finding ??= findAccess(flags, config).then((found) => {
        onAccess(found);
        return found;
      });
      return finding;
    };
    const errInk = { paint: terminal.err.paint, unicode: terminal.unicode };
    return {
      config,
      terminal,
      clock: systemClock,
      interrupted,
      json,
      access,
      api: async () => connect(await access(), interrupted),
      outInk: { paint: terminal.out.paint, unicode: terminal.unicode },
      errInk,
      print: (data, text) => terminal.out.write(json ? `${JSON.stringify(data, null, 2)}\n` : text()),
      say: (text) => terminal.err.write(`${text}\n`),
      suggest: (text) => terminal.err.write(`${errInk.paint('quiet', text)}\n`),
    };
  };
}
