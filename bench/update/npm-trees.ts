import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * A version of an npm package, unpacked below `folder` (kept for the next run), from the registry that this machine's npm
 * is configured for, which checks its digest. `part` is one file or folder of it; all of it by default.
 */
export async function npmTree(folder: string, name: string, version: string, part = '.'): Promise<string> {
  const tree = join(folder, `${name.replaceAll('/', '+')}-${version}`);
  if (!existsSync(tree)) {
    const temporary = `${tree}.partial`;
    await rm(temporary, { recursive: true, force: true });
    await mkdir(join(temporary, 'package'), { recursive: true });
    await run('npm', ['pack', '--silent', `${name}@${version}`], { cwd: temporary, timeout: 300_000 });
    const archive = (await readdir(temporary)).find((file) => file.endsWith('.tgz'));
    if (!archive) throw new Error(`npm pack left no archive of ${name}@${version}`);
    const into = join(temporary, 'package');
    await run('tar', ['xzf', join(temporary, archive), '-C', into, '--strip-components', '1', '--no-same-owner']);
    await rename(into, tree);
    await rm(temporary, { recursive: true });
  }
  return join(tree, part);
}
