import { randomFillSync } from 'node:crypto';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assembleTree } from '@starling/packs/assemble.ts';
import { makePack } from '@starling/packs/make-pack.ts';
import { planUpdate } from '@starling/packs/plan.ts';
import { listFiles } from '@starling/packs/tree-files.ts';
import { expect, it, onTestFinished } from 'vitest';
import { unmanagedCopy } from './unmanaged-copy.ts';

it('makes a first install need only what the copy lacks', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-copy-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [tree, copy] = [join(folder, 'tree'), join(folder, 'copy')];
  await mkdir(join(tree, 'bin'), { recursive: true });
  const program = randomFillSync(Buffer.alloc(3_000_000));
  await writeFile(join(tree, 'bin/program'), program);
  await cp(tree, copy, { recursive: true });
  await writeFile(join(copy, 'bin/aside'), 'of somebody else');
  program.fill(7, 1_000_000, 1_000_100);
  await writeFile(join(tree, 'bin/program'), program);
  const packFile = join(folder, 'pack');
  const made = await makePack({ files: await listFiles(tree), known: () => undefined, packFile });
  const target = {
    chunks: made.chunks.map((chunk) => ({ ...chunk, pack: 0 })),
    packs: [{ digest: made.pack!.digest, sizeBytes: made.pack!.sizeBytes, torrentInfo: new Uint8Array(0) }],
    patches: [],
    ancestors: [],
  };
  const base = await unmanagedCopy(copy, new AbortController().signal);
  const plan = planUpdate({ target, bases: [base] });
  expect(plan.bytesToFetch).toBeGreaterThan(0);
  expect(plan.bytesToFetch).toBeLessThan(program.length / 2);
  const entries = [
    { type: 'directory' as const, path: 'bin' },
    { type: 'file' as const, path: 'bin/program', executable: false, sizeBytes: program.length },
  ];
  const { failures } = await assembleTree({
    plan,
    entries,
    folder: join(folder, 'slot'),
    bases: new Map([[base.name, base.files]]),
    packFiles: new Map([[made.pack!.digest, packFile]]),
  });
  expect(failures).toEqual([]);
});
