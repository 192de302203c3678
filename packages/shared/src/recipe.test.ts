import { describe, expect, it } from 'vitest';
import { parseRecipe } from './recipe.ts';

const base = 'version: 1\nbuild: { command: make, artifact: dist }\n';
const whyNot = (text: string) => {
  try {
    parseRecipe(base + text);
  } catch (thrown) {
    return (thrown as Error).message;
  }
  return 'nothing';
};

describe('starling.yml', () => {
  it('says how a build gets on and off a machine', () => {
    const { run } = parseRecipe(`${base}run:
  command: ./server
  user: app
  limits: { memory: 512MiB, files: 4096, processes: 64 }
hooks:
  beforeInstall: ./check-disk
  drain: { command: ./leave-balancer, timeout: 90s }
`);
    expect(run.user).toBe('app');
    expect(run.limits).toEqual({ memoryBytes: 512 * 1024 * 1024, openFiles: 4096, processes: 64 });
    expect(run.hooks).toEqual({
      beforeInstall: { command: './check-disk', timeoutMs: 300_000 },
      drain: { command: './leave-balancer', timeoutMs: 90_000 },
    });
  });

  it('leaves out of the manifest what it does not say', () => {
    const { run } = parseRecipe(`${base}run: { command: ./server }\nhooks: {}\n`);
    expect(Object.keys(run)).not.toContain('hooks');
    expect(Object.keys(run)).not.toContain('user');
    expect(Object.keys(run)).not.toContain('limits');
  });

  it('names what is wrong', () => {
    expect(whyNot('hooks: { afterinstall: x }')).toBe(
      'starling.yml, line 3: hooks.afterinstall: is not a field Starling knows',
    );
    expect(whyNot('hooks:\n  drain:\n    command: x\n    timeout: 2h\n')).toContain('must be between 10 ms and 1 h');
    expect(whyNot('run: { command: x, user: "a b" }')).toContain('run.user: is not the name of a user');
    expect(whyNot('run: { command: x, limits: { memory: 3 apples } }')).toContain('expected a size such as "512MiB"');
  });
});
