import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { IdentityKind } from '@starling/shared/permissions.ts';
import { diskError } from './disk-error.ts';
import { readIfThere, writeDurably } from './durable-file.ts';

// What a process is known by, in a file that only it can read. The secret is on disk before anybody hears of it, so a
// process that is killed while it enrols says the same again.

interface Content {
  /** A random secret (hubs, workers) or a private key in PEM (agents). It never leaves this machine. */
  readonly secret: string;
  /** What control answered when it enrolled; null until then. */
  readonly proof: object | null;
}

export interface KeptIdentity extends Content {
  readonly path: string;
  /** Keeps what control answered, or forgets it. */
  keep(proof: object | null): Promise<void>;
}

/** Where the process of this kind and name keeps what it is known by. */
export const identityPath = (dataFolder: string, kind: IdentityKind, name: string): string =>
  join(dataFolder, 'identity', `${kind}-${name}.json`);

/** What is kept there, or undefined when there is nothing of use. */
export async function readIdentity(path: string): Promise<Content | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const { secret, proof } = JSON.parse(text) as Partial<Content>;
    const isWhole = typeof secret === 'string' && secret !== '' && typeof proof === 'object';
    return isWhole ? { secret, proof } : undefined;
  } catch {
    return undefined;
  }
}

/** Opens the identity that is kept at `path`, made with `makeSecret` when there is none. Throws when it cannot be kept. */
export async function openIdentity(path: string, makeSecret: () => string): Promise<KeptIdentity> {
  let kept = await readIdentity(path);
  if (!kept) {
    kept = { secret: makeSecret(), proof: null };
    await save(path, kept);
  }
  const { secret } = kept;
  let proof = kept.proof;
  return {
    path,
    secret,
    get proof() {
      return proof;
    },
    async keep(next) {
      await save(path, { secret, proof: next });
      proof = next;
    },
  };
}

async function save(path: string, kept: Content): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeDurably(path, `${JSON.stringify(kept, null, 2)}\n`);
  } catch (thrown) {
    throw diskError(thrown, path);
  }
}
