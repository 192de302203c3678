import { expect } from 'vitest';
import type { NpmStart } from '../system/npm-start.ts';
import { sampleFill } from '../system/npm-start.ts';
import { openReader } from './reader.ts';

/** Does what the tutorial says with an `npm start` on a new data folder, typing in `folder`. Until "6. Stop". */
export async function followTutorial(start: NpmStart, data: string, folder: string): Promise<void> {
  const reader = await openReader('docs/tutorial.md', { data, folder, fill: sampleFill(data) });
  await start.ready();
  await reader.take('1. Start', 'npm start');
  for (const step of [
    '12 machines of three regions answer: 12 of 12',
    'Project: hello, from',
    'Build: hello@',
    'Replicate to every region: 12.0 MiB',
    'Deploy: deployment 1: 12 machines run it',
  ]) {
    expect(start.text()).toContain(step);
  }
  const builds = await reader.follow('2. Build the next commit');
  builds.saw('the project and the first twelve digits of the commit', 'builds hello', /hello@[0-9a-f]{12}/);
  const update = await reader.follow('3. Put it on the machines');
  expect(update.of('deploy hello').output).toMatch(/12 machines run it/);
  const back = await reader.follow('4. Roll back');
  back.saw('All machines run `v1` again', 'rollback hello', /build +hello@8726b5cca00a[\s\S]*12 machines run it/);
  back.saw('The build that you left is in quarantine', 'quarantine list', /hello@e150f204c665.*just to see it/);
  back.saw('goes forward again', 'undo-rollback', /build +hello@e150f204c665[\s\S]*12 machines run it/);
  const bad = await reader.follow('5. A bad release');
  bad.saw('its health check answers 500', 'deploy hello', /HTTP 500/);
  bad.saw("the program's own last words", 'deployment <its number>', /the table data\/tables\.bin is missing/);
  const { output } = await reader.mention('5. A bad release', 'status');
  expect(output).toContain('all 12 machines run hello@e150f204c665');
  await reader.end();
}
