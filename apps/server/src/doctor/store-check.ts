import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { good } from '@starling/shared/findings.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Check } from './run-checks.ts';

/** Asks a store for what is not there: as much as those do who only read. */
export function readOnlyStoreCheck(name: string, store: BlobStore): Check {
  const check = `blob store ${name}`;
  return {
    name: check,
    fix: 'Check its address and credentials, and that this server may read and list there.',
    look: async () => {
      await store.sizeOf('doctor/nothing');
      return good(check, `${store.description}: answers`);
    },
  };
}

/** Writes a few bytes to a store, reads them back and deletes them. */
export function storeCheck(name: string, store: BlobStore): Check {
  const check = `blob store ${name}`;
  return {
    name: check,
    fix: 'Check its address and credentials, and that this server may write, read and delete there.',
    look: async () => {
      const key = `doctor/${randomBytes(8).toString('hex')}`;
      const bytes = randomBytes(64);
      const startedAt = performance.now();
      await store.upload(key, { sizeBytes: 64, read: (start, end) => Readable.from([bytes.subarray(start, end)]) });
      try {
        const back = await buffer(await store.read(key));
        if (!back.equals(bytes)) throw new Error('what was read back is not what was written');
      } finally {
        await store.delete(key);
      }
      return good(
        check,
        `${store.description}: written, read and deleted in ${Math.round(performance.now() - startedAt)} ms`,
      );
    },
  };
}
