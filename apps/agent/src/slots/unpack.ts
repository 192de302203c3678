import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '@starling/host/durable-file.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { ArtifactEntry, Manifest } from '@starling/shared/manifest.ts';
import { throwIfAborted } from '../lib/abort.ts';

const bufferBytes = 1024 * 1024;

/** The pack's bytes are not the ones the manifest names: fetching it again may mend that. */
export class WrongPack extends Error {}

/**
 * Unpacks a pack to `slotFolder` in one pass: every byte goes through the SHA-256 of its file on its way. The files
 * tile the pack (a checked manifest says so), so no byte of it is left out, and hashing the pack besides would only
 * double the work; it is hashed when a file is wrong, to tell a wrong pack from a manifest that contradicts itself.
 * The tree grows in `<slotFolder>.partial`, is synced, and takes its name only when all digests hold.
 * Memory: one buffer of 1 MiB. Throws WrongPack when the pack is not what the manifest says, INVALID_INPUT when
 * the manifest contradicts itself, Aborted.
 */
export async function unpack(
  packPath: string,
  manifest: Manifest,
  slotFolder: string,
  signal: AbortSignal,
): Promise<void> {
  const partial = `${slotFolder}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const folders = new Set([partial]);
  const pack = await open(packPath, 'r');
  try {
    const { size } = await pack.stat();
    if (size !== manifest.pack.sizeBytes)
      throw new WrongPack(`the pack has ${size} bytes, ${manifest.pack.sizeBytes} were expected`);
    const buffer = Buffer.allocUnsafe(bufferBytes);
    for (const entry of manifest.entries) {
      throwIfAborted(signal);
      if (entry.type === 'link') continue;
      const path = join(partial, entry.path);
      await makeFolders(partial, entry.type === 'directory' ? path : dirname(path), folders);
      if (entry.type === 'file' && !(await unpackFile(pack, entry, path, buffer, signal))) {
        const found = await digestOf(pack, size, buffer, signal);
        if (found !== manifest.pack.sha256)
          throw new WrongPack(`the pack has the SHA-256 ${found}, ${manifest.pack.sha256} was expected`);
        throw new StarlingError('INVALID_INPUT', `${entry.path} does not have the digest that the manifest gives it`);
      }
    }
  } finally {
    await pack.close();
  }
  // Links come last, so that nothing above could be written through one.
  for (const entry of manifest.entries) {
    if (entry.type !== 'link') continue;
    const path = join(partial, entry.path);
    await makeFolders(partial, dirname(path), folders);
    await symlink(entry.target, path);
  }
  throwIfAborted(signal);
  for (const folder of folders) await syncFolder(folder);
  await rm(slotFolder, { recursive: true, force: true });
  await rename(partial, slotFolder);
  await syncFolder(dirname(slotFolder));
}

type FileEntry = Extract<ArtifactEntry, { type: 'file' }>;

/** Copies one file's range of the pack to a new file; false when its digest is not the entry's. */
export async function unpackFile(
  pack: FileHandle,
  entry: FileEntry,
  path: string,
  buffer: Buffer,
  signal: AbortSignal,
): Promise<boolean> {
  const fileHash = createHash('sha256');
  const file = await open(path, 'wx', entry.executable ? 0o755 : 0o644);
  try {
    let done = 0;
    while (done < entry.sizeBytes) {
      throwIfAborted(signal);
      const wanted = Math.min(buffer.length, entry.sizeBytes - done);
      const { bytesRead } = await pack.read(buffer, 0, wanted, entry.offset + done);
      if (bytesRead === 0) throw new WrongPack('the pack became shorter while it was read');
      const bytes = buffer.subarray(0, bytesRead);
      fileHash.update(bytes);
      await file.writeFile(bytes);
      done += bytesRead;
    }
    // The mode given to open is cut by the umask; the program may run as another user.
    await file.chmod(entry.executable ? 0o755 : 0o644);
    await file.sync();
  } finally {
    await file.close();
  }
  return fileHash.digest('hex') === entry.sha256;
}

async function digestOf(pack: FileHandle, size: number, buffer: Buffer, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for (let done = 0; done < size; ) {
    throwIfAborted(signal);
    const { bytesRead } = await pack.read(buffer, 0, buffer.length, done);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    done += bytesRead;
  }
  return hash.digest('hex');
}

async function makeFolders(root: string, path: string, made: Set<string>): Promise<void> {
  if (made.has(path)) return;
  await makeFolders(root, dirname(path), made);
  await mkdir(path, { mode: 0o755 });
  made.add(path);
}
