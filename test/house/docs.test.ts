import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

// What the documents say must be so, as far as a machine can tell.

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const documents = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'].concat(
  readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
);

describe('documents', () => {
  it.each(documents)('%s links only to what is there', (document) => {
    const links = [...read(document).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, link]) => link!);
    expect(links.filter((link) => !existsSync(join(root, dirname(document), link)))).toEqual([]);
  });

  it('name every variable that a configuration reads', () => {
    const reference = read('docs/reference/configuration.md');
    const configs = [
      'apps/server/src/config.ts',
      'apps/agent/src/config.ts',
      'apps/cli/src/config.ts',
      'apps/local/src/config.ts',
      'apps/desktop/src/main/config.ts',
    ];
    const variables = configs.flatMap((file) => read(file).match(/\b(STARLING_[A-Z_]+|DATABASE_URL)\b/g) ?? []);
    expect([...new Set(variables)].filter((variable) => !reference.includes(variable))).toEqual([]);
  });

  it('say in a line what each direct dependency is for', () => {
    const table = read('ARCHITECTURE.md');
    const manifests = [
      'package.json',
      ...['server', 'agent', 'cli', 'desktop', 'local'].map((app) => `apps/${app}/package.json`),
      'packages/shared/package.json',
      'packages/swarm/package.json',
    ];
    const names = manifests.flatMap((file) => {
      const { dependencies = {}, devDependencies = {} } = JSON.parse(read(file)) as Record<
        string,
        Record<string, string>
      >;
      return [...Object.keys(dependencies), ...Object.keys(devDependencies)];
    });
    const unexplained = [...new Set(names)].filter(
      (name) => !/^@(starling|types)\//.test(name) && !table.includes(`\`${name}\``),
    );
    expect(unexplained).toEqual([]);
  });

  it('have the files they point at in the table of places', () => {
    const paths = [...read('ARCHITECTURE.md').matchAll(/`((?:apps|packages|drizzle|test|docs)\/[^`*]+)`/g)].map(
      ([, path]) => path!,
    );
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
