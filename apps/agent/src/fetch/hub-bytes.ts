import { createHash } from 'node:crypto';
import { expandManifest } from '@starling/packs/manifest-transfer.ts';
import { Malformed } from '@starling/packs/varint.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import { maxManifestBytes } from '@starling/shared/manifest.ts';
import type { HubAccess } from '../control/hub-access.ts';
import { throwIfAborted } from '../lib/abort.ts';
import { FetchedRanges } from './fetched-ranges.ts';

export interface HubBytesOptions {
  hubUrl: string;
  access: Pick<HubAccess, 'session' | 'forget'>;
  clock: Clock;
  /** Told once in a while why something is not there yet, in a sentence. */
  onWaiting: (why: string) => void;
}

/** The bytes from `start` up to but not including `end`. */
export interface HubRange {
  start: number;
  end: number;
}

const requestTimeoutMs = 60_000;
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

  #bytes(path: string, signal: AbortSignal): Promise<Answer<Buffer>> {
    return this.#once(path, {}, signal, async (response) => {
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      for await (const piece of response.body ?? []) {
        bytes += piece.length;
        if (bytes > maxManifestBytes) throw new Error(`it is larger than ${maxManifestBytes} bytes`);
        pieces.push(piece);
      }
      return Buffer.concat(pieces);
    });
  }

  #range(sha256: string, { start, end }: HubRange, file: FetchedRanges, signal: AbortSignal): Promise<Answer<true>> {
    const headers = { range: `bytes=${start}-${end - 1}` };
    return this.#once(`packs/${sha256}`, { headers }, signal, async (response) => {
      let at = start;
      if (response.status !== 206) throw new Error(`it answered a range with HTTP ${response.status}`);
      try {
        for await (const piece of response.body ?? []) {
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
    { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> },
    signal: AbortSignal,
    read: (response: Response) => Promise<T>,
  ): Promise<Answer<T>> {
    const { access, hubUrl } = this.#options;
    try {
      const session = await access.session(signal);
      const response = await fetch(`${hubUrl}/${path}`, {
        method,
        headers: { ...headers, authorization: `Bearer ${session}` },
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]),
      });
      if (response.ok) return { got: await read(response) };
      await response.body?.cancel();
      if (response.status === 401) access.forget(session);
      return { why: `HTTP ${response.status}`, isUnknown: response.status === 404 };
    } catch (thrown) {
      const cause = thrown instanceof Error && thrown.cause ? `: ${messageOf(thrown.cause)}` : '';
      return { why: `${messageOf(thrown)}${cause}`, isUnknown: false };
    }
  }
}
