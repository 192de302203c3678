import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A real git repository in a folder, for tests. */
export class TestRepository {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    this.git('init', '--quiet', '--initial-branch=main');
  }

  git(...args: string[]): string {
    return execFileSync('git', ['-c', 'user.name=Ada Example', '-c', 'user.email=ada@example.org', ...args], {
      cwd: this.path,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  }

  /** Writes files (a path that ends in `*` becomes executable), commits them, and returns the SHA. */
  commit(files: Record<string, string>, subject = 'Change things'): string {
    for (const [name, content] of Object.entries(files)) {
      const file = join(this.path, name.replace(/\*$/, ''));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      if (name.endsWith('*')) chmodSync(file, 0o755);
    }
    this.git('add', '--all');
    this.git('commit', '--quiet', '--allow-empty', '-m', subject);
    return this.git('rev-parse', 'HEAD');
  }
}

/** A `starling.yml` for a recipe. */
export function recipeYaml(command: string, artifact: string, more: { timeout?: string; environment?: string } = {}) {
  return [
    'version: 1',
    'build:',
    `  command: ${JSON.stringify(command)}`,
    `  artifact: ${JSON.stringify(artifact)}`,
    ...(more.timeout ? [`  timeout: ${more.timeout}`] : []),
    ...(more.environment ? [`  environment: ${more.environment}`] : []),
    '',
  ].join('\n');
}
