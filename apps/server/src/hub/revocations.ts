import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readIfThere, writeDurably } from '@starling/host/durable-file.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import { sha256Hex } from '@starling/shared/words.ts';
import { z } from 'zod';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import type { Control, SessionOwner } from './ports.ts';

const askEveryMs = 2_000;
const answerTimeoutMs = 15_000;

const kept = z.object({ upTo: z.number().int().min(0), keyHashes: z.array(sha256Hex) });

export interface RevocationsOptions {
  control: Pick<Control, 'revokedAgents'>;
  /** The file that keeps them over a restart. */
  path: string;
  clock: Clock;
  log: Logger;
  /** Told once of each, as soon as it is known. */
  onRevoked: (agent: SessionOwner) => void;
}

/**
 * The agents of the region that were revoked. Control is asked every two seconds for what is new; while it is away, what
 * is known counts. Until it was known once nobody is let in: this hub could not tell who was shut out before its time.
 */
export class Revocations {
  readonly #options: RevocationsOptions;
  readonly #keyHashes = new Set<string>();
  readonly #loop: Loop;
  /** The number of the last one that is known. */
  #upTo = 0;
  /** Why control did not say what is new; undefined when it did. */
  lastError: string | undefined = 'not asked yet';
  isKnown = false;

  constructor(options: RevocationsOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.#loop = new Loop({
      name: 'revocations',
      everyMs: askEveryMs,
      clock,
      log,
      pass: (signal) => this.#pass(signal),
    });
  }

  /** Reads what an earlier run kept. */
  async load(): Promise<void> {
    const { path, log } = this.#options;
    try {
      const text = await readIfThere(path);
      if (text === undefined) return;
      const { upTo, keyHashes } = kept.parse(JSON.parse(text));
      for (const keyHash of keyHashes) this.#keyHashes.add(keyHash);
      this.#upTo = upTo;
      this.isKnown = true;
    } catch (thrown) {
      log.warn(`the revoked agents kept in ${path} cannot be read; asking control for all: ${messageOf(thrown)}`);
    }
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  has(keyHash: string): boolean {
    return this.#keyHashes.has(keyHash);
  }

  get count(): number {
    return this.#keyHashes.size;
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { log, onRevoked } = this.#options;
    for (;;) {
      const answer = await this.#ask(signal);
      if (!answer) return;
      const { revoked, isComplete } = answer;
      for (const { id, machine, keyHash } of revoked) {
        this.#upTo = Math.max(this.#upTo, id);
        this.#keyHashes.add(keyHash);
        log.warn(`the identity of ${machine} was revoked`);
        onRevoked({ machine, keyHash });
      }
      const isFirst = !this.isKnown && isComplete;
      if (isComplete) this.isKnown = true;
      if (revoked.length > 0 || isFirst) await this.#save();
      if (isComplete) return;
    }
  }

  /** What is new, or undefined when control did not say it. Failing is said once, and shows in the hub's health; the loop would say it every two seconds. */
  async #ask(signal: AbortSignal): Promise<Awaited<ReturnType<Control['revokedAgents']>> | undefined> {
    const { control, clock, log } = this.#options;
    const answered = new AbortController();
    try {
      const timeout = clock.sleep(answerTimeoutMs, AbortSignal.any([answered.signal, signal])).then(() => {
        throw new Error(signal.aborted ? 'the hub is stopping' : `no answer within ${answerTimeoutMs} ms`);
      });
      timeout.catch(() => {});
      const answer = await Promise.race([control.revokedAgents(this.#upTo), timeout]);
      this.lastError = undefined;
      return answer;
    } catch (thrown) {
      const error = messageOf(thrown);
      if (this.lastError !== error && !signal.aborted)
        log.warn(`control does not say which agents were revoked (${error})`);
      this.lastError = error;
      return undefined;
    } finally {
      answered.abort();
    }
  }

  async #save(): Promise<void> {
    const { path, log } = this.#options;
    try {
      await mkdir(dirname(path), { recursive: true });
      await writeDurably(path, JSON.stringify({ upTo: this.#upTo, keyHashes: [...this.#keyHashes] }));
    } catch (thrown) {
      log.warn(`the revoked agents could not be kept in ${path}: ${messageOf(thrown)}`);
    }
  }
}
