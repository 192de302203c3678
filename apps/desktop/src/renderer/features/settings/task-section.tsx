import { Plus, Trash2 } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { Field, NumberInput, SelectInput, TextInput } from '../../components/field.tsx';
import { Panel } from '../../components/page.tsx';
import type { SectionProps } from './project-form.tsx';
import { emptyTask, type TaskDraft } from './settings-draft.ts';

const phases = [
  {
    phase: 'before',
    title: 'Before a deployment begins',
    text: 'One after another; a failure keeps it from beginning.',
  },
  { phase: 'after', title: 'After its machines confirmed it', text: 'One after another; a failure ends it as failed.' },
] as const;

/** Commands and webhooks around a deployment. */
export function TaskSection({ draft: { tasks }, change, problem }: SectionProps) {
  return (
    <div className="grid gap-4 xl:grid-cols-2">
      {phases.map(({ phase, title, text }) => {
        const set = (list: TaskDraft[]) => change({ tasks: { ...tasks, [phase]: list } });
        const add = (type: TaskDraft['type']) => set([...tasks[phase], emptyTask(type)]);
        return (
          <Panel
            key={phase}
            title={title}
            beside={
              <span className="flex gap-1.5">
                <Button size="small" onClick={() => add('command')} icon={<Plus aria-hidden className="size-3.5" />}>
                  Command<span className="sr-only"> {phase}</span>
                </Button>
                <Button size="small" onClick={() => add('webhook')} icon={<Plus aria-hidden className="size-3.5" />}>
                  Webhook<span className="sr-only"> {phase}</span>
                </Button>
              </span>
            }
          >
            {tasks[phase].length === 0 && <p className="text-ink-3">Nothing. {text}</p>}
            <ol className="flex flex-col gap-4">
              {tasks[phase].map((task, index) => (
                <Task
                  key={task.row}
                  task={task}
                  number={index + 1}
                  problem={(field) => problem(`tasks.${phase}.${index}.${field}`)}
                  onChange={(changed) =>
                    set(tasks[phase].map((other) => (other === task ? { ...task, ...changed } : other)))
                  }
                  onRemove={() => set(tasks[phase].filter((other) => other !== task))}
                />
              ))}
            </ol>
          </Panel>
        );
      })}
    </div>
  );
}

function Task({
  task,
  number,
  problem,
  onChange,
  onRemove,
}: {
  task: TaskDraft;
  number: number;
  problem: (field: string) => string | null;
  onChange: (changed: Partial<TaskDraft>) => void;
  onRemove: () => void;
}) {
  const text = (
    label: string,
    field: 'name' | 'command' | 'url' | 'workerLabels' | 'timeout' | 'secret',
    hint?: string,
  ) => (
    <Field label={label} hint={hint} problem={problem(field)}>
      {(wiring) => (
        <TextInput
          {...wiring}
          value={task[field]}
          {...(field === 'secret' && { type: 'password', autoComplete: 'new-password' })}
          onChange={(event) => onChange({ [field]: event.target.value })}
          className={field === 'command' || field === 'url' ? 'font-mono' : ''}
        />
      )}
    </Field>
  );
  return (
    <li className="grid gap-3 rounded-lg border border-line p-3 sm:grid-cols-[minmax(0,2fr)_minmax(0,1.2fr)_5.5rem_5rem_auto]">
      {text(`${number}. Name`, 'name')}
      <Field label="What it is">
        {(wiring) => (
          <SelectInput
            {...wiring}
            value={task.type}
            onChange={(event) => onChange({ type: event.target.value === 'webhook' ? 'webhook' : 'command' })}
            options={[
              { value: 'command', text: 'Command on a worker' },
              { value: 'webhook', text: 'Webhook' },
            ]}
          />
        )}
      </Field>
      {text('At most', 'timeout')}
      <Field label="Attempts" problem={problem('attempts')}>
        {(wiring) => (
          <NumberInput
            {...wiring}
            min={1}
            max={5}
            value={task.attempts}
            onChange={(event) => onChange({ attempts: event.target.value })}
          />
        )}
      </Field>
      <Button
        look="quiet"
        className="self-start sm:mt-[1.375rem]"
        aria-label={`Remove task ${number}`}
        onClick={onRemove}
        icon={<Trash2 aria-hidden className="size-3.5" />}
      />
      <div className="sm:col-span-3">
        {task.type === 'command' ? text('Command', 'command') : text('Address', 'url')}
      </div>
      <div className="sm:col-span-2">
        {task.type === 'command'
          ? text('Labels of the worker', 'workerLabels', 'For example os=linux')
          : text('Secret', 'secret', 'Signs what is sent; 16 characters or more.')}
      </div>
    </li>
  );
}
