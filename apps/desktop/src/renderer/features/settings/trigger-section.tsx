import { Plus, Trash2 } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { Field, SelectInput, TextInput } from '../../components/field.tsx';
import { Panel } from '../../components/page.tsx';
import type { SectionProps } from './project-form.tsx';
import { emptyTrigger, type TriggerDraft } from './settings-draft.ts';

/** Which events of the repository start a build. */
export function TriggerSection({ draft: { triggers }, change, problem }: SectionProps) {
  const set = (row: number, changed: Partial<TriggerDraft>) =>
    change({ triggers: triggers.map((trigger) => (trigger.row === row ? { ...trigger, ...changed } : trigger)) });
  return (
    <Panel
      title="Builds that the repository starts"
      beside={
        <Button
          size="small"
          onClick={() => change({ triggers: [...triggers, emptyTrigger()] })}
          icon={<Plus aria-hidden className="size-3.5" />}
        >
          Add a rule
        </Button>
      }
    >
      {triggers.length === 0 && <p className="text-ink-3">None: builds are asked for by people and scripts.</p>}
      <ul className="flex flex-col gap-3">
        {triggers.map(({ row, on, branches, paths }, index) => (
          <li key={row} className="grid gap-3 sm:grid-cols-[8rem_minmax(0,1fr)_minmax(0,1.4fr)_auto]">
            <Field label="When">
              {(wiring) => (
                <SelectInput
                  {...wiring}
                  value={on}
                  onChange={(event) => set(row, { on: event.target.value === 'merge' ? 'merge' : 'push' })}
                  options={[
                    { value: 'push', text: 'pushed to' },
                    { value: 'merge', text: 'merged into' },
                  ]}
                />
              )}
            </Field>
            <Field
              label="Branches"
              hint="Names, or patterns such as release/*"
              problem={problem(`triggers.${index}.branches`)}
            >
              {(wiring) => (
                <TextInput
                  {...wiring}
                  value={branches}
                  onChange={(event) => set(row, { branches: event.target.value })}
                />
              )}
            </Field>
            <Field
              label="Only when a file below one of these changed"
              hint="Separated by commas; empty: always."
              problem={problem(`triggers.${index}.paths`)}
            >
              {(wiring) => (
                <TextInput {...wiring} value={paths} onChange={(event) => set(row, { paths: event.target.value })} />
              )}
            </Field>
            <Button
              look="quiet"
              className="self-start sm:mt-[1.375rem]"
              aria-label={`Remove rule ${index + 1}`}
              onClick={() => change({ triggers: triggers.filter((trigger) => trigger.row !== row) })}
              icon={<Trash2 aria-hidden className="size-3.5" />}
            />
          </li>
        ))}
      </ul>
    </Panel>
  );
}
