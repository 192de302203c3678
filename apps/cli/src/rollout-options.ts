import { parseDuration } from '@starling/shared/durations.ts';
import { rolloutSettings, type WrittenRolloutSettings } from '@starling/shared/rollout-plan.ts';
import { InvalidArgumentError, Option } from 'commander';

type WrittenWave = NonNullable<WrittenRolloutSettings['waves']>[number];

export interface RolloutOptions {
  wave?: WrittenWave[];
  rollout?: WrittenRolloutSettings;
}

/** Options that say how a deployment reaches the machines, over what its build and project say. */
export const rolloutOptions = (): Option[] => [
  new Option(
    '--wave <who>',
    'a wave, in order, may be given more than once: "10%", "group=canary", "100%", each with a bake time as in "10%/5m"',
  ).argParser((text: string, before: WrittenWave[] | undefined) => [...(before ?? []), parseWave(text)]),
  new Option('--rollout <json>', 'all of it, as "rollout" of starling.yml says it').argParser(parseRollout),
];

/** What the two come to; `--wave` over `--rollout`. Undefined when neither was given. */
export function rolloutOf({ wave, rollout }: RolloutOptions): WrittenRolloutSettings | undefined {
  return wave || rollout ? { ...rollout, ...(wave && { waves: wave }) } : undefined;
}

function parseWave(text: string): WrittenWave {
  const slash = text.lastIndexOf('/');
  const bakes = slash > 0 && parseDuration(text.slice(slash + 1)) !== undefined;
  const [who, bakeTime] = bakes ? [text.slice(0, slash), text.slice(slash + 1)] : [text, undefined];
  const equals = who.indexOf('=');
  const wave = {
    ...(equals > 0 ? { labels: { [who.slice(0, equals)]: who.slice(equals + 1) } } : { fraction: who }),
    ...(bakeTime !== undefined && { bakeTime }),
  };
  check({ waves: [wave] });
  return wave;
}

function parseRollout(text: string): WrittenRolloutSettings {
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch {
    throw new InvalidArgumentError('It is JSON, for example {"waves": [{"fraction": "10%"}]}.');
  }
  check(written);
  return written as WrittenRolloutSettings;
}

function check(written: unknown): void {
  const parsed = rolloutSettings.safeParse(written);
  const issue = parsed.error?.issues[0];
  if (issue) throw new InvalidArgumentError(`${issue.path.join('.') || 'it'}: ${issue.message}`);
}
