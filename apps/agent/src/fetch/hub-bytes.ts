import { createHash } from 'node:crypto';
import { expandManifest } from '@starling/packs/manifest-transfer.ts';
import { Malformed } from '@starling/packs/varint.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { maxManifestBytes } from '@starling/shared/manifest.ts';
import type { RateLine } from '@starling/swarm/token-bucket.ts';
import type { HubAccess } from '../control/hub-access.ts';
import { throwIfAborted } from '../lib/abort.ts';
import { whyNotReached } from '../lib/why-not-reached.ts';
import { FetchedRanges } from './fetched-ranges.ts';

export interface HubBytesOptions {
  hubUrl: string;
  access: Pick<HubAccess, 'session' | 'forget'>;
  clock: Clock;
  /** What the machine may receive; all that comes from the hub passes through it. */
  receiving: RateLine;
  /** Told once in a while why something is not there yet, in a sentence. */
  onWaiting: (why: string) => void;
}

/** The bytes from `start` up to but not including `end`. */
export interface HubRange {
  start: number;
  end: number;
}

/** No byte of an answer for so long: a hub with a limit of its own may take its time between two of them. */
const silenceTimeoutMs = 60_000;
/** With a limit as much is asked for at once; it counts when it is asked for, so that a burst is never larger. */
const atOnceBytes = 256 * 1024;
const firstPauseMs = 500;
const maxPauseMs = 10_000;
const waitingAfterMs = 30_000;
const mostManifestsNamed = 16;

type Answer<T> = { got: T } | { why: string; isUnknown: boolean };

/** Manifests, and small parts of packs, straight from the hub over HTTP. Nothing of it is checked here. */
export class HubBytes {
  readonly #options: HubBytesOptions;

  constructor(options: HubBytesOptions) {
    this.#options = options;
  }

  /**
   * Gets a manifest's bytes, asking again (with growing pauses, 10 s at most) for as long as the hub is out of reach or
   * still pulling it. With manifests that are here it is asked for as a patch of one of them, which is a fraction of it. Ends
   * only with the bytes or with Aborted.
   */
  async manifest(digest: string, signal: AbortSignal, here: ReadonlyMap<string, Buffer> = new Map()): Promise<Buffer> {
    const short = here.size > 0 ? await this.#shortManifest(digest, here, signal) : undefined;
    if (short) return short;
    const bytes = await this.#insist('the manifest', signal, () => this.#bytes(`manifests/${digest}`, signal));
    if (!bytes) throw new Error('a manifest is waited for until it is there');
    return bytes;
  }

  /** As `manifest`, but undefined when the hub does not know it. */
  ancestor(digest: string, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#insist('the manifest of an earlier build', signal, () => this.#bytes(`manifests/${digest}`, signal), {
      endsUnknown: true,
    });
  }

  /** Whether the hub knows a pack. Asked for, it pulls it. True as well when the hub cannot be asked. */
  async knowsPack(sha256: string, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#once(`packs/${sha256}`, { method: 'HEAD' }, signal, async () => true);
    return 'got' in answer || !answer.isUnknown;
  }

  /**
   * Fetches ranges of a pack, each to its place in the file at `path`, less what an earlier try left there. False when the hub does not know the pack (only
   * with `endsUnknown`; otherwise that is waited for). `onBytes` is told of what is here.
   */
  async ranges(
    sha256: string,
    ranges: readonly HubRange[],
    path: string,
    { onBytes, endsUnknown }: { onBytes: (count: number) => void; endsUnknown: boolean },
    signal: AbortSignal,
  ): Promise<boolean> {
    const file = await FetchedRanges.open(path);
    try {
      for (const range of ranges) {
        const bytesMissing = () => file.missing(range).reduce((sum, { start, end }) => sum + end - start, 0);
        onBytes(range.end - range.start - bytesMissing());
        for (let gap = file.missing(range)[0]; gap; gap = file.missing(range)[0]) {
          const before = bytesMissing();
          const ask = () => this.#range(sha256, file.missing(range)[0] ?? range, file, signal);
          const done = await this.#insist('the hub', signal, ask, { endsUnknown });
          if (done === undefined) return false;
          onBytes(before - bytesMissing());
        }
      }
      return true;
    } finally {
      await file.close();
    }
  }

  /** Undefined when the hub does not have it like that, or what comes of it is not what was asked for. */
  async #shortManifest(
    digest: string,
    here: ReadonlyMap<string, Buffer>,
    signal: AbortSignal,
  ): Promise<Buffer | undefined> {
    const path = `manifests/${digest}/short?have=${[...here.keys()].slice(0, mostManifestsNamed).join(',')}`;
    const short = await this.#insist('the manifest', signal, () => this.#bytes(path, signal), { endsUnknown: true });
    try {
      const bytes = short && expandManifest(short, (earlier) => here.get(earlier));
      return bytes && createHash('sha256').update(bytes).digest('hex') === digest ? bytes : undefined;
    } catch (thrown) {
      if (thrown instanceof Malformed) return undefined;
      throw thrown;
    }
  }

  async #insist<T>(
    what: string,
    signal: AbortSignal,
    ask: () => Promise<Answer<T>>,
    { endsUnknown = false } = {},
  ): Promise<T | undefined> {
    const { clock, onWaiting } = this.#options;
    let saidAt = clock.now();
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(maxPauseMs, pauseMs * 2)) {
      const answer = await ask();
      throwIfAborted(signal);
      if ('got' in answer) return answer.got;
      if (endsUnknown && answer.isUnknown) return undefined;
      if (clock.now() - saidAt >= waitingAfterMs) {
        onWaiting(`waiting for ${what}${what === 'the hub' ? '' : ' from the hub'}: ${answer.why}`);
        saidAt = clock.now();
      }
      await clock.sleep(pauseMs * (0.75 + Math.random() / 2), signal);
      throwIfAborted(signal);
    }
  }

  /** All of it, in parts while there is a limit. */
  async #bytes(path: string, signal: AbortSignal): Promise<Answer<Buffer>> {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for (let total = Number.POSITIVE_INFINITY; bytes < total; ) {
      const start = bytes;
      const part = this.#options.receiving.isLimited() && { start, end: Math.min(total, start + atOnceBytes) };
      const answer = await this.#once(path, { ...(part && { part }) }, signal, async (response, body) => {
        if (response.status !== 206 && start > 0) throw new Error(`it answered a range with HTTP ${response.status}`);
        for await (const piece of body) {
          bytes += piece.length;
          if (bytes > maxManifestBytes) throw new Error(`it is larger than ${maxManifestBytes} bytes`);
          pieces.push(piece);
        }
        total = response.status === 206 ? totalOf(response) : bytes;
        if (bytes === start && bytes < total) throw new Error('it sent nothing of what was asked for');
      });
      if (!('got' in answer)) return answer;
    }
    return { got: Buffer.concat(pieces) };
  }

  /** The beginning of a range, or all of it where there is no limit. */
  #range(sha256: string, range: HubRange, file: FetchedRanges, signal: AbortSignal): Promise<Answer<true>> {
    const { start } = range;
    const end = this.#options.receiving.isLimited() ? Math.min(range.end, start + atOnceBytes) : range.end;
    return this.#once(`packs/${sha256}`, { part: { start, end } }, signal, async (response, body) => {
      let at = start;
      if (response.status !== 206) throw new Error(`it answered a range with HTTP ${response.status}`);
      try {
        for await (const piece of body) {
          if (at + piece.length > end) throw new Error('it sent more than was asked for');
          await file.write(piece, at);
          at += piece.length;
        }
      } finally {
        // Also of an answer that was cut off: it is gone on with from there.
        await file.note();
      }
      if (at < end) throw new Error(`it ended ${end - at} bytes early`);
      return true as const;
    });
  }

  async #once<T>(
    path: string,
    { method = 'GET', part }: { method?: string; part?: HubRange },
    signal: AbortSignal,
    read: (response: Response, body: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<Answer<T>> {
    const { access, hubUrl, receiving } = this.#options;
    let taken = part ? part.end - part.start : 0;
    if (part && !(await receiving.pass(taken, signal))) return { why: 'it is no longer wanted', isUnknown: false };
    const silence = new Silence(silenceTimeoutMs);
    async function* counted(response: Response): AsyncIterable<Uint8Array> {
      for await (const piece of response.body ?? []) {
        silence.heard();
        // What was not foreseen counts as well.
        if (piece.length > taken) receiving.take(piece.length - taken);
        taken = Math.max(0, taken - piece.length);
        yield piece;
      }
    }
    try {
      const session = await access.session(signal);
      const response = await fetch(`${hubUrl}/${path}`, {
        method,
        headers: {
          ...(part && { range: `bytes=${part.start}-${part.end - 1}` }),
          authorization: `Bearer ${session}`,
        },
        redirect: 'error',
        signal: AbortSignal.any([signal, silence.signal]),
      });
      if (response.ok) return { got: await read(response, counted(response)) };
      await response.body?.cancel();
      if (response.status === 401) access.forget(session);
      return { why: `HTTP ${response.status}`, isUnknown: response.status === 404 };
    } catch (thrown) {
      return { why: whyNotReached(thrown), isUnknown: false };
    } finally {
      silence.end();
      receiving.giveBack(taken);
    }
  }
}

/** Aborts when nothing was heard for a time. */
class Silence {
  readonly #aborting = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(longestMs: number) {
    const why = new Error(`nothing came for ${longestMs / 1_000} s`);
    this.#timer = setTimeout(() => this.#aborting.abort(why), longestMs);
  }

  get signal(): AbortSignal {
    return this.#aborting.signal;
  }

  heard(): void {
    this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

function totalOf(response: Response): number {
  const [, total] = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '') ?? [];
  if (total === undefined) throw new Error('it did not say how much there is');
  return Number(total);
}
