import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import { maxManifestBytes } from '@starling/shared/manifest.ts';
import type { HubAccess } from '../control/hub-access.ts';
import { throwIfAborted } from '../lib/abort.ts';

export interface ManifestDownload {
  hubUrl: string;
  access: Pick<HubAccess, 'session' | 'forget'>;
  clock: Clock;
  /** Told once in a while why it is not there yet, in a sentence. */
  onWaiting: (why: string) => void;
}

const requestTimeoutMs = 60_000;
const firstPauseMs = 500;
const maxPauseMs = 10_000;
const waitingAfterMs = 30_000;

/**
 * Gets a manifest's bytes from the hub, unchecked, asking again (with growing pauses, 10 s at most) for as long as
 * the hub is out of reach or still pulling it. Ends only with the bytes or with Aborted.
 */
export async function downloadManifest(
  digest: string,
  { hubUrl, access, clock, onWaiting }: ManifestDownload,
  signal: AbortSignal,
): Promise<Buffer> {
  let saidAt = clock.now();
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(maxPauseMs, pauseMs * 2)) {
    const got = await getOnce(`${hubUrl}/manifests/${digest}`, access, signal);
    throwIfAborted(signal);
    if (typeof got !== 'string') return got;
    if (clock.now() - saidAt >= waitingAfterMs) {
      onWaiting(`waiting for the manifest from the hub: ${got}`);
      saidAt = clock.now();
    }
    await clock.sleep(pauseMs * (0.75 + Math.random() / 2), signal);
    throwIfAborted(signal);
  }
}

/** The bytes, or why they could not be had this time. */
async function getOnce(url: string, access: ManifestDownload['access'], signal: AbortSignal): Promise<Buffer | string> {
  try {
    const session = await access.session(signal);
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${session}` },
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]),
    });
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      if (response.status === 401) access.forget(session);
      return `HTTP ${response.status}`;
    }
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of response.body) {
      bytes += piece.length;
      if (bytes > maxManifestBytes) return `it is larger than ${maxManifestBytes} bytes`;
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  } catch (thrown) {
    const cause = thrown instanceof Error && thrown.cause ? `: ${messageOf(thrown.cause)}` : '';
    return `${messageOf(thrown)}${cause}`;
  }
}
