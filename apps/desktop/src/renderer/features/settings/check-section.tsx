import { Plus, Trash2 } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { Checkbox, Field, NumberInput, SelectInput, TextInput } from '../../components/field.tsx';
import { Panel } from '../../components/page.tsx';
import { type CheckDraft, type ChecksDraft, checkKinds, emptyCheck } from './check-draft.ts';
import type { SectionProps } from './project-form.tsx';

const kinds: Record<CheckDraft['kind'], { text: string; asks: string; hint: string }> = {
  prometheus: { text: 'Prometheus', asks: 'Query', hint: 'An instant query; all its values count.' },
  http: { text: 'HTTP', asks: 'Address', hint: 'It must answer 2xx.' },
  command: { text: 'Command', asks: 'Command', hint: 'Exit code 0 is well, 75 says neither.' },
};

/** What is measured of a deployment, and who may be asked. */
export function CheckSection({ draft: { checks }, change, problem }: SectionProps) {
  const set = (changed: Partial<ChecksDraft>) => change({ checks: { ...checks, ...changed } });
  const isHere = checks.from === 'here';
  return (
    <Panel
      title="What is measured of a deployment"
      beside={
        isHere && (
          <span className="flex flex-wrap gap-1.5">
            {checkKinds.map((kind) => (
              <Button
                key={kind}
                size="small"
                onClick={() => set({ list: [...checks.list, emptyCheck(kind)] })}
                icon={<Plus aria-hidden className="size-3.5" />}
              >
                {kinds[kind].text}
                <span className="sr-only"> check</span>
              </Button>
            ))}
          </span>
        )
      }
    >
      <div className="flex flex-col gap-4">
        <div className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
          <Field label="Which checks" hint={isHere ? 'In place of those of the repository.' : 'Of its starling.yml.'}>
            {(wiring) => (
              <SelectInput
                {...wiring}
                value={checks.from}
                onChange={(event) => set({ from: event.target.value === 'here' ? 'here' : 'repository' })}
                options={[
                  { value: 'repository', text: 'As the repository says' },
                  { value: 'here', text: 'These' },
                ]}
              />
            )}
          </Field>
          <Field
            label="Prometheus"
            hint="Where queries are asked; empty: nowhere."
            problem={problem('analysis.prometheus')}
          >
            {(wiring) => (
              <TextInput
                {...wiring}
                value={checks.prometheus}
                placeholder="http://prometheus:9090"
                onChange={(event) => set({ prometheus: event.target.value })}
              />
            )}
          </Field>
          <Field label="HTTP checks may ask below" hint="Addresses, by commas." problem={problem('analysis.http')}>
            {(wiring) => (
              <TextInput {...wiring} value={checks.http} onChange={(event) => set({ http: event.target.value })} />
            )}
          </Field>
          <Field
            label="Commands run on workers with"
            hint="Labels such as net=production"
            problem={problem('analysis.workerLabels')}
          >
            {(wiring) => (
              <TextInput
                {...wiring}
                value={checks.workerLabels}
                onChange={(event) => set({ workerLabels: event.target.value })}
              />
            )}
          </Field>
        </div>
        {isHere && checks.list.length === 0 && (
          <p className="text-ink-3">Nothing is measured but the health of the machines themselves.</p>
        )}
        {isHere && checks.list.length > 0 && (
          <ol className="flex flex-col gap-4">
            {checks.list.map((check, index) => (
              <Check
                key={check.row}
                check={check}
                number={index + 1}
                problem={(field) => problem(`rollout.analysis.${index}${field && `.${field}`}`)}
                onChange={(changed) =>
                  set({ list: checks.list.map((other) => (other === check ? { ...check, ...changed } : other)) })
                }
                onRemove={() => set({ list: checks.list.filter((other) => other !== check) })}
              />
            ))}
          </ol>
        )}
        {problem('rollout.analysis') && <p className="text-xs text-bad">{problem('rollout.analysis')}</p>}
      </div>
    </Panel>
  );
}

function Check({
  check,
  number,
  problem,
  onChange,
  onRemove,
}: {
  check: CheckDraft;
  number: number;
  /** Of a field of it; of it as a whole, with ''. */
  problem: (field: string) => string | null;
  onChange: (changed: Partial<CheckDraft>) => void;
  onRemove: () => void;
}) {
  const { text: kind, asks, hint } = kinds[check.kind];
  const text = (
    label: string,
    field: 'name' | 'condition' | 'failCondition' | 'interval' | 'timeout',
    more?: string,
    className = '',
  ) => (
    <Field label={label} hint={more} problem={problem(field)}>
      {(wiring) => (
        <TextInput
          {...wiring}
          value={check[field]}
          className={className}
          onChange={(event) => onChange({ [field]: event.target.value })}
        />
      )}
    </Field>
  );
  const count = (label: string, field: 'count' | 'failureLimit' | 'inconclusiveLimit' | 'errorLimit', more: string) => (
    <Field label={label} hint={more} problem={problem(field)}>
      {(wiring) => (
        <NumberInput
          {...wiring}
          min={field === 'count' ? 1 : 0}
          max={200}
          value={check[field]}
          onChange={(event) => onChange({ [field]: event.target.value })}
        />
      )}
    </Field>
  );
  return (
    <li className="flex flex-col gap-3 rounded-lg border border-line p-3">
      <div className="grid gap-3 sm:grid-cols-[minmax(0,1fr)_minmax(0,2.4fr)_auto]">
        {text(`${number}. ${kind}: name`, 'name')}
        <Field label={asks} hint={hint} problem={problem(check.kind) ?? problem('')}>
          {(wiring) => (
            <TextInput
              {...wiring}
              value={check.asks}
              className="font-mono"
              onChange={(event) => onChange({ asks: event.target.value })}
            />
          )}
        </Field>
        <Button
          look="quiet"
          className="self-start sm:mt-[1.375rem]"
          aria-label={`Remove check ${number}`}
          onClick={onRemove}
          icon={<Trash2 aria-hidden className="size-3.5" />}
        />
      </div>
      <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
        {check.kind === 'prometheus' && (
          <>
            {text('Well where', 'condition', 'Such as < 0.01', 'font-mono')}
            {text('Failed where', 'failCondition', 'Empty: wherever it is not well.', 'font-mono')}
          </>
        )}
        {count('Measured', 'count', 'Times that decide.')}
        {text('Every', 'interval')}
        {text('At most', 'timeout', 'For one measurement.')}
        {count('May fail', 'failureLimit', 'Times; one more, and it has.')}
        {count('May say neither', 'inconclusiveLimit', 'Times.')}
        {count('May not be measured', 'errorLimit', 'Times one after another.')}
      </div>
      <fieldset className="flex flex-wrap gap-x-6">
        <legend className="sr-only">When check {number} is made</legend>
        <Checkbox label="Before each wave begins" checked={check.before} onChange={(before) => onChange({ before })} />
        <Checkbox label="While each wave bakes" checked={check.bake} onChange={(bake) => onChange({ bake })} />
        {problem('when') && <p className="text-xs text-bad">Choose one at least.</p>}
      </fieldset>
    </li>
  );
}
