import { open, rename } from 'node:fs/promises';

/** Writes a small file so that whoever reads it, after a kill or a power cut too, finds all of it or what was before. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
}
