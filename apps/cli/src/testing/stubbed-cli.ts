import { afterEach, beforeEach } from 'vitest';
import { type CliRun, runCli } from './run-cli.ts';
import { type Answer, type StubServer, startStubServer } from './stub-server.ts';

/** The real program off a terminal, against a real server over HTTP whose answers a test decides; another server for each test. */
export class StubbedCli {
  #server: StubServer | undefined;

  constructor() {
    beforeEach(async () => {
      this.#server = await startStubServer();
    });
    afterEach(() => this.#server?.stop());
  }

  get server(): StubServer {
    if (!this.#server) throw new Error('there is a server within a test alone');
    return this.#server;
  }

  /** Another server where the one that was stopped had been. */
  async startAgain(answers: Record<string, Answer>): Promise<void> {
    this.#server = await startStubServer(answers, Number(new URL(this.server.url).port));
  }

  /** Signed in there. */
  readonly starling = (...words: string[]): Promise<CliRun> =>
    runCli(words, { STARLING_SERVER: this.server.url, STARLING_TOKEN: 'stl_test' });

  /** What a procedure was first called with. */
  readonly inputOf = (path: StubServer['calls'][number]['path']) =>
    this.server.calls.find((call) => call.path === path)?.input;
}
