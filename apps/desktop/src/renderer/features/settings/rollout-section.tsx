import { Plus, Trash2 } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { Field, SelectInput, TextInput } from '../../components/field.tsx';
import { Panel } from '../../components/page.tsx';
import type { SectionProps } from './project-form.tsx';
import { emptyWave, type SettingsDraft, type WaveDraft } from './settings-draft.ts';

type Rollout = SettingsDraft['rollout'];

const fields: { field: Exclude<keyof Rollout, 'waves' | 'order' | 'autoRevert'>; label: string; hint: string }[] = [
  { field: 'bakeTime', label: 'Bake time of waves', hint: 'That have none of their own.' },
  { field: 'successThreshold', label: 'A wave is done at', hint: 'Share of machines; 0.95 unless said.' },
  { field: 'errorThreshold', label: 'Halted above a share of', hint: 'Of those that answered; 0.02 unless said.' },
  { field: 'errorCap', label: 'Halted above a number of', hint: 'Failed machines; 50 unless said.' },
  { field: 'minimumReported', label: 'Counts from', hint: 'Machines that answered; 20 unless said.' },
  { field: 'progressDeadline', label: 'Stalled after', hint: 'For example 10m.' },
];

/** In which waves builds reach the machines, and what halts them. What is left empty is as the repository says. */
export function RolloutSection({ draft: { rollout }, change, problem }: SectionProps) {
  const set = (changed: Partial<Rollout>) => change({ rollout: { ...rollout, ...changed } });
  const setWave = (row: number, changed: Partial<WaveDraft>) =>
    set({ waves: rollout.waves.map((wave) => (wave.row === row ? { ...wave, ...changed } : wave)) });
  return (
    <Panel
      title="How builds reach the machines"
      beside={
        <Button
          size="small"
          onClick={() => set({ waves: [...rollout.waves, emptyWave()] })}
          icon={<Plus aria-hidden className="size-3.5" />}
        >
          Add a wave
        </Button>
      }
    >
      <div className="flex flex-col gap-4">
        {rollout.waves.length === 0 && (
          <p className="text-ink-3">In the waves of the repository’s starling.yml; all at once where it says none.</p>
        )}
        {rollout.waves.length > 0 && (
          <ol className="flex flex-col gap-3">
            {rollout.waves.map(({ row, who, bakeTime }, index) => (
              <li key={row} className="grid gap-3 sm:grid-cols-[minmax(0,1fr)_9rem_auto]">
                <Field
                  label={`Wave ${index + 1}${index === 0 ? ', the canary' : ''}`}
                  hint="10%, group=canary, or regions such as eu, us"
                  problem={problem(`rollout.waves.${index}`)}
                >
                  {(wiring) => (
                    <TextInput
                      {...wiring}
                      value={who}
                      onChange={(event) => setWave(row, { who: event.target.value })}
                    />
                  )}
                </Field>
                <Field label="Then bakes" hint="For example 10m">
                  {(wiring) => (
                    <TextInput
                      {...wiring}
                      value={bakeTime}
                      onChange={(event) => setWave(row, { bakeTime: event.target.value })}
                    />
                  )}
                </Field>
                <Button
                  look="quiet"
                  className="self-start sm:mt-[1.375rem]"
                  aria-label={`Remove wave ${index + 1}`}
                  onClick={() => set({ waves: rollout.waves.filter((wave) => wave.row !== row) })}
                  icon={<Trash2 aria-hidden className="size-3.5" />}
                />
              </li>
            ))}
          </ol>
        )}
        <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
          <Field label="Order of regions" problem={problem('rollout.order')}>
            {(wiring) => (
              <SelectInput
                {...wiring}
                value={rollout.order}
                onChange={(event) => set({ order: event.target.value })}
                options={[
                  { value: '', text: 'As the repository says' },
                  { value: 'all-at-once', text: 'All at once' },
                  { value: 'region-by-region', text: 'One after another' },
                ]}
              />
            )}
          </Field>
          <Field label="When it is halted">
            {(wiring) => (
              <SelectInput
                {...wiring}
                value={rollout.autoRevert}
                onChange={(event) => set({ autoRevert: event.target.value })}
                options={[
                  { value: '', text: 'As the repository says' },
                  { value: 'true', text: 'It goes back at once' },
                  { value: 'false', text: 'It waits for a person' },
                ]}
              />
            )}
          </Field>
          {fields.map(({ field, label, hint }) => (
            <Field key={field} label={label} hint={hint} problem={problem(`rollout.${field}`)}>
              {(wiring) => (
                <TextInput
                  {...wiring}
                  value={rollout[field]}
                  onChange={(event) => set({ [field]: event.target.value })}
                />
              )}
            </Field>
          ))}
        </div>
      </div>
    </Panel>
  );
}
