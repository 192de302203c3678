import { type WeeklyWindow, weeklyWindow } from '@starling/shared/freezes.ts';
import { allows, allProjects } from '@starling/shared/permissions.ts';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Snowflake } from 'lucide-react';
import { useRef, useState } from 'react';
import { Choices } from '../../components/choices.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, SelectInput, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { api, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { readableError } from '../../lib/errors.ts';
import { useCaller, useWhyReadOnly } from '../../lib/hooks.ts';

const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** Keeps deployments from beginning: for a time, or in some hours of every week. */
export function FreezeDialog({ onClose }: { onClose: () => void }) {
  const readOnly = useWhyReadOnly();
  const first = useRef<HTMLInputElement>(null);
  const { data: caller } = useCaller();
  const { data: projects } = useQuery(api.projects.list.queryOptions());
  const ofAll = allows(caller?.grants ?? [], 'administer', allProjects);
  const mine = (projects ?? []).filter(({ name }) => allows(caller?.grants ?? [], 'administer', name));
  const [reason, setReason] = useState('');
  const [typedProject, setProject] = useState<string | null>(null);
  const project = typedProject ?? (ofAll ? '' : (mine[0]?.name ?? ''));
  const [shape, setShape] = useState<'once' | 'weekly'>('once');
  const [startsAt, setStartsAt] = useState('');
  const [endsAt, setEndsAt] = useState('');
  const [days, setDays] = useState<readonly (typeof weekdays)[number][]>(['fri', 'sat']);
  const [from, setFrom] = useState('16:00');
  const [to, setTo] = useState('08:00');
  const [timeZone, setTimeZone] = useState(Intl.DateTimeFormat().resolvedOptions().timeZone);
  const weekly: WeeklyWindow = { days: [...days], from, to, timeZone };
  const checked = weeklyWindow.safeParse(weekly);
  const weeklyProblem = (field: string) => checked.error?.issues.find(({ path }) => path[0] === field)?.message ?? null;
  const add = useMutation(
    api.freezes.add.mutationOptions({
      onSuccess: () => {
        void queryClient.invalidateQueries({ queryKey: api.freezes.pathKey() });
        onClose();
      },
    }),
  );
  const refused = add.error ? readableError(add.error) : null;
  const moment = (local: string) => (local === '' ? undefined : new Date(local).toISOString());
  const isBackwards = startsAt !== '' && endsAt !== '' && endsAt <= startsAt;
  const missing =
    reason.trim() === ''
      ? 'Say why.'
      : shape === 'weekly' && !checked.success
        ? 'The hours need another look.'
        : isBackwards
          ? 'It would end before it begins.'
          : null;
  const begin = moment(startsAt);
  const end = moment(endsAt);
  return (
    <FormModal
      title="Freeze deployments"
      description="Nothing but rollbacks and hotfixes begins while it holds. What runs already goes on."
      onClose={onClose}
      initialFocus={first}
      blocked={readOnly ?? missing}
      busy={add.isPending}
      deed="Freeze"
      icon={<Snowflake aria-hidden className="size-3.5" />}
      onSubmit={() =>
        add.mutate({
          reason: reason.trim(),
          ...(project && { project }),
          ...(shape === 'weekly' ? { weekly } : {}),
          ...(begin && { startsAt: begin }),
          ...(end && { endsAt: end }),
        })
      }
    >
      <Field label="Why (shown to whoever has to wait)">
        {(wiring) => (
          <TextInput
            {...wiring}
            ref={first}
            value={reason}
            maxLength={500}
            onChange={(event) => setReason(event.target.value)}
          />
        )}
      </Field>
      <Field label="What is frozen">
        {(wiring) => (
          <SelectInput
            {...wiring}
            value={project}
            onChange={(event) => setProject(event.target.value)}
            options={[
              ...(ofAll ? [{ value: '', text: 'All projects' }] : []),
              ...mine.map(({ name }) => ({ value: name, text: name })),
            ]}
          />
        )}
      </Field>
      <Choices
        label="When"
        value={shape}
        onChange={setShape}
        choices={[
          { value: 'once', text: 'Once', hint: 'All the time between two moments' },
          { value: 'weekly', text: 'Every week', hint: 'Some hours of some days' },
        ]}
      />
      {shape === 'weekly' && (
        <>
          <fieldset>
            <legend className="mb-1 text-xs font-semibold text-ink">It begins on</legend>
            <div className="flex flex-wrap gap-x-4 gap-y-1">
              {weekdays.map((day) => (
                <label key={day} className="inline-flex min-h-6 items-center gap-1.5 capitalize">
                  <input
                    type="checkbox"
                    checked={days.includes(day)}
                    onChange={(event) =>
                      setDays(weekdays.filter((other) => (other === day ? event.target.checked : days.includes(other))))
                    }
                    className="size-4 accent-[var(--accent)]"
                  />
                  {day}
                </label>
              ))}
            </div>
            {days.length === 0 && <p className="mt-1 text-xs text-bad">Choose one at least.</p>}
          </fieldset>
          <div className="grid gap-3.5 sm:grid-cols-[7rem_7rem_minmax(0,1fr)]">
            <Field label="From" problem={weeklyProblem('from')}>
              {(wiring) => <TextInput {...wiring} value={from} onChange={(event) => setFrom(event.target.value)} />}
            </Field>
            <Field label="To" hint={to <= from ? 'of the next day' : undefined} problem={weeklyProblem('to')}>
              {(wiring) => <TextInput {...wiring} value={to} onChange={(event) => setTo(event.target.value)} />}
            </Field>
            <Field label="Time zone" problem={weeklyProblem('timeZone')}>
              {(wiring) => (
                <TextInput {...wiring} value={timeZone} onChange={(event) => setTimeZone(event.target.value)} />
              )}
            </Field>
          </div>
        </>
      )}
      <div className="grid gap-3.5 sm:grid-cols-2">
        <Field
          label="Begins"
          hint="Your local time; empty: now."
          problem={refused?.field === 'startsAt' ? refused.message : null}
        >
          {(wiring) => (
            <TextInput
              {...wiring}
              type="datetime-local"
              value={startsAt}
              onChange={(event) => setStartsAt(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Ends"
          hint="Empty: when somebody lifts it."
          problem={refused?.field === 'endsAt' ? refused.message : isBackwards ? 'This is before it begins.' : null}
        >
          {(wiring) => (
            <TextInput
              {...wiring}
              type="datetime-local"
              value={endsAt}
              onChange={(event) => setEndsAt(event.target.value)}
            />
          )}
        </Field>
      </div>
      {add.error && <ErrorPanel error={add.error} title="Nothing was frozen" />}
      <CliLine
        command={cli.addFreeze({
          reason: reason.trim(),
          ...(project && { project }),
          ...(begin && { from: begin }),
          ...(end && { until: end }),
          ...(shape === 'weekly' && { weekly: `${days.join(',')} ${from}-${to} ${timeZone}` }),
        })}
      />
    </FormModal>
  );
}
