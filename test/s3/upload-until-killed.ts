import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { bytesSource } from '../../apps/server/src/blobs/file-source.ts';
import { openS3Store, type S3StoreOptions } from '../../apps/server/src/blobs/s3-store.ts';

// Uploads a file as far as it is told to, says so, and hangs until it is killed.
// Arguments: the store's options as JSON, the key, the file, and how many of its bytes can be read.

const [options, key, file, readable] = process.argv.slice(2) as [string, string, string, string];
const whole = bytesSource(readFileSync(file));
const source = {
  sizeBytes: whole.sizeBytes,
  read: (start: number, end: number) =>
    start < Number(readable) ? whole.read(start, end) : new Readable({ read() {} }),
};
setInterval(() => {}, 60_000);
await openS3Store(JSON.parse(options) as S3StoreOptions).upload(key, source, {
  onProgress: (bytesDone) => process.stdout.write(`${bytesDone}\n`),
});
