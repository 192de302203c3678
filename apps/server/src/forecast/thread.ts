import { parentPort, workerData } from 'node:worker_threads';
import type { BuildManifest } from '@starling/packs/manifest.ts';
import { decodeManifest } from '@starling/packs/manifest-codec.ts';
import { buildDetails } from '@starling/shared/manifest.ts';
import { foretell, type KnownDeployment } from './foretell.ts';

/** A deployment with its manifests as they are stored: decoding and planning them takes a while too. */
export interface ThreadWork {
  known: Omit<KnownDeployment, 'target' | 'bases' | 'ancestors' | 'minHealthyMs'>;
  target: Uint8Array | undefined;
  bases: { build: string; digest: string; bytes: Uint8Array }[];
  ancestors: { digest: string; bytes: Uint8Array }[];
  budgetMs: number;
}

const defaultMinHealthyMs = 10_000;

/** How long its program must be well; nothing for a build that runs none. */
function minHealthyOf({ details }: BuildManifest): number {
  const parsed = buildDetails.safeParse(JSON.parse(Buffer.from(details).toString()));
  if (!parsed.success) return defaultMinHealthyMs;
  const { command, minHealthyTimeMs } = parsed.data.run;
  return command === null ? 0 : minHealthyTimeMs;
}

if (parentPort) {
  const { known, target, bases, ancestors, budgetMs } = workerData as ThreadWork;
  const decode = (bytes: Uint8Array): BuildManifest => decodeManifest(Buffer.from(bytes)).manifest;
  const decoded = target && decode(target);
  const startedAt = performance.now();
  const forecast = foretell(
    {
      ...known,
      target: decoded,
      minHealthyMs: decoded ? minHealthyOf(decoded) : defaultMinHealthyMs,
      bases: new Map(bases.map(({ build, digest, bytes }) => [build, { digest, manifest: decode(bytes) }])),
      ancestors: new Map(ancestors.map(({ digest, bytes }) => [digest, decode(bytes)])),
    },
    budgetMs,
    () => performance.now() - startedAt,
  );
  parentPort.postMessage(forecast);
}
