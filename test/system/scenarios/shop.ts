import { join } from 'node:path';
import { built, commit, type StarlingUnderTest } from '../starling-under-test.ts';

export interface ShopRecipe {
  project?: string;
  /** A command more of the build: its folder is `out`. */
  build?: string;
  /** In place of a program that sleeps. */
  run?: { command: string; user?: string; limits?: Record<string, string | number> };
  /** In place of a check that is passed at once. */
  health?: string;
  /** Lines more of `starling.yml`. */
  more?: string;
}

/**
 * Commits a service that says `started` and sleeps unless told otherwise, and whose `stamp` is the commit it was built from; builds it, and waits until it
 * is in every region. The build's id: another one with each call, whatever the recipe.
 */
export async function newBuild(starling: StarlingUnderTest, recipe: ShopRecipe = {}): Promise<string> {
  const { project = 'shop', build, more = '' } = recipe;
  const health = recipe.health ?? '{ command: test -e stamp, interval: 100ms, minHealthyTime: 300ms }';
  const run = { command: 'echo started; exec sleep 1000000', ...recipe.run, stopGrace: '2s' };
  const commands = ['mkdir out', ...(build ? [build] : []), 'echo $STARLING_COMMIT > out/stamp'].join(' && ');
  const repository = join(starling.data, 'repositories', project);
  const sha = await commit(repository, {
    'starling.yml': `version: 1
build: { command: ${JSON.stringify(commands)}, artifact: out }
run: ${JSON.stringify(run)}
health: ${health}
${more}`,
  });
  // Refused when it is there already, which does no harm.
  await starling.cli('project', 'add', project, repository);
  return built(starling, project, sha);
}
