import { Plus, Trash2 } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { Field, TextArea, TextInput } from '../../components/field.tsx';
import { Panel } from '../../components/page.tsx';
import { emptyMaintenance, type MaintenanceDraft } from './maintenance-draft.ts';
import type { SectionProps } from './project-form.tsx';

/** When machines with certain labels may be touched. */
export function MaintenanceSection({ draft: { maintenance }, change, problem }: SectionProps) {
  const set = (row: number, changed: Partial<MaintenanceDraft>) =>
    change({ maintenance: maintenance.map((rule) => (rule.row === row ? { ...rule, ...changed } : rule)) });
  const add = () => {
    const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
    change({ maintenance: [...maintenance, emptyMaintenance(timeZone)] });
  };
  return (
    <Panel
      title="When machines may be touched"
      beside={
        <Button size="small" onClick={add} icon={<Plus aria-hidden className="size-3.5" />}>
          Add hours
        </Button>
      }
    >
      {maintenance.length === 0 && (
        <p className="text-ink-3">At any time. With hours, machines make ready outside them and go over within.</p>
      )}
      <ul className="flex flex-col gap-3">
        {maintenance.map(({ row, labels, windows }, index) => (
          <li key={row} className="grid gap-3 sm:grid-cols-[minmax(0,1fr)_minmax(0,2fr)_auto]">
            <Field
              label="Machines with these labels"
              hint="For example role=till"
              problem={problem(`maintenance.${index}.labels`)}
            >
              {(wiring) => (
                <TextInput {...wiring} value={labels} onChange={(event) => set(row, { labels: event.target.value })} />
              )}
            </Field>
            <Field
              label="Only within"
              hint="A window a line: days, hours and time zone, such as sat,sun 22:00-04:00 Europe/Berlin"
              problem={problem(`maintenance.${index}.windows`)}
            >
              {(wiring) => (
                <TextArea
                  {...wiring}
                  value={windows}
                  className="font-mono"
                  onChange={(event) => set(row, { windows: event.target.value })}
                />
              )}
            </Field>
            <Button
              look="quiet"
              className="self-start sm:mt-[1.375rem]"
              aria-label={`Remove hours ${index + 1}`}
              onClick={() => change({ maintenance: maintenance.filter((rule) => rule.row !== row) })}
              icon={<Trash2 aria-hidden className="size-3.5" />}
            />
          </li>
        ))}
      </ul>
    </Panel>
  );
}
