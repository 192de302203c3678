import { open, readFile, rename, rm } from 'node:fs/promises';
import type { z } from 'zod';

/** What the file says, or `fallback` when it is missing or not what it should be: settings never stop a start. */
export async function readJsonFile<Shape>(path: string, shape: z.ZodType<Shape>, fallback: Shape): Promise<Shape> {
  try {
    const parsed = shape.safeParse(JSON.parse(await readFile(path, 'utf8')));
    return parsed.success ? parsed.data : fallback;
  } catch {
    return fallback;
  }
}

/** Replaces the file whole: a cut leaves the old or the new one, never half of one. */
export async function writeJsonFile(path: string, content: unknown): Promise<void> {
  const draft = `${path}.${process.pid}.new`;
  try {
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(content, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (thrown) {
    await rm(draft, { force: true });
    throw thrown;
  }
}
