import { Checkbox, Field, NumberInput, SelectInput, TextInput } from '../../components/field.tsx';
import { Panel } from '../../components/page.tsx';
import type { SectionProps } from './project-form.tsx';

export function ApprovalSection({ draft: { approvals }, change, problem }: SectionProps) {
  const set = (changed: Partial<typeof approvals>) => change({ approvals: { ...approvals, ...changed } });
  return (
    <Panel title="Approvals">
      <div className="flex flex-col gap-3">
        <div className="grid gap-3 sm:grid-cols-[9rem_minmax(0,1fr)]">
          <Field label="People needed" hint="0 asks nobody." problem={problem('approvals.needed')}>
            {(wiring) => (
              <NumberInput
                {...wiring}
                min={0}
                max={20}
                value={approvals.needed}
                onChange={(event) => set({ needed: event.target.value })}
              />
            )}
          </Field>
          <Field
            label="Only these accounts count"
            hint="Separated by commas; empty: everybody who may approve."
            problem={problem('approvals.from')}
          >
            {(wiring) => (
              <TextInput {...wiring} value={approvals.from} onChange={(event) => set({ from: event.target.value })} />
            )}
          </Field>
        </div>
        <Checkbox
          label="Rollbacks wait for them too"
          hint="Off, a rollback begins at once: it goes to a build that was approved before."
          checked={approvals.rollbacks}
          onChange={(rollbacks) => set({ rollbacks })}
        />
      </div>
    </Panel>
  );
}

const requirements = [
  { value: 'none', text: 'Nothing' },
  { value: 'protected-branch', text: 'Its commit is on a protected branch' },
  { value: 'approved', text: 'Its pull request was approved and its checks passed' },
];

export function ReviewSection({ draft: { review }, change, problem }: SectionProps) {
  const set = (changed: Partial<typeof review>) => change({ review: { ...review, ...changed } });
  return (
    <Panel title="Review of the commit">
      <div className="flex flex-col gap-3">
        <Field label="Before it is deployed" problem={problem('review.require')}>
          {(wiring) => (
            <SelectInput
              {...wiring}
              value={review.require}
              onChange={(event) => set({ require: event.target.value })}
              options={requirements}
            />
          )}
        </Field>
        {review.require !== 'none' && (
          <Field
            label="Protected branches"
            hint="Names, or patterns such as release/*"
            problem={problem('review.protectedBranches')}
          >
            {(wiring) => (
              <TextInput
                {...wiring}
                value={review.protectedBranches}
                onChange={(event) => set({ protectedBranches: event.target.value })}
              />
            )}
          </Field>
        )}
        {review.require === 'approved' && (
          <div className="grid gap-3 sm:grid-cols-2">
            <Field label="Who is asked" problem={problem('review.provider')}>
              {(wiring) => (
                <SelectInput
                  {...wiring}
                  value={review.provider}
                  onChange={(event) => set({ provider: event.target.value })}
                  options={[
                    { value: '', text: 'Nobody' },
                    { value: 'github', text: 'GitHub' },
                    { value: 'gitlab', text: 'GitLab' },
                  ]}
                />
              )}
            </Field>
            <Field label="Repository there" hint="For example acme/shop" problem={problem('review.repository')}>
              {(wiring) => (
                <TextInput
                  {...wiring}
                  value={review.repository}
                  onChange={(event) => set({ repository: event.target.value })}
                />
              )}
            </Field>
          </div>
        )}
      </div>
    </Panel>
  );
}

export function BuildSection({ draft: { builds }, change, problem }: SectionProps) {
  const set = (changed: Partial<typeof builds>) => change({ builds: { ...builds, ...changed } });
  return (
    <Panel title="Builds">
      <div className="grid gap-3 sm:grid-cols-2">
        <Field label="How many at once" hint="Empty: no limit." problem={problem('builds.maxConcurrent')}>
          {(wiring) => (
            <NumberInput
              {...wiring}
              min={1}
              value={builds.maxConcurrent}
              onChange={(event) => set({ maxConcurrent: event.target.value })}
            />
          )}
        </Field>
        <Field label="Priority" hint="−100 to 100; higher goes first." problem={problem('builds.priority')}>
          {(wiring) => (
            <NumberInput
              {...wiring}
              min={-100}
              max={100}
              value={builds.priority}
              onChange={(event) => set({ priority: event.target.value })}
            />
          )}
        </Field>
        <div className="sm:col-span-2">
          <Field
            label="Labels that a worker must have"
            hint="For example os=linux, arch=arm64"
            problem={problem('builds.workerLabels')}
          >
            {(wiring) => (
              <TextInput
                {...wiring}
                value={builds.workerLabels}
                onChange={(event) => set({ workerLabels: event.target.value })}
              />
            )}
          </Field>
        </div>
      </div>
    </Panel>
  );
}

export function RetentionSection({ draft: { retention }, change, problem }: SectionProps) {
  const set = (changed: Partial<typeof retention>) => change({ retention: { ...retention, ...changed } });
  return (
    <Panel title="What is kept">
      <div className="grid gap-3 sm:grid-cols-3">
        <Field label="Newest builds" hint="Always kept." problem={problem('retention.keepBuilds')}>
          {(wiring) => (
            <NumberInput
              {...wiring}
              min={1}
              value={retention.keepBuilds}
              onChange={(event) => set({ keepBuilds: event.target.value })}
            />
          )}
        </Field>
        <Field label="Builds younger than" hint="Kept too, for example 14d." problem={problem('retention.keepFor')}>
          {(wiring) => (
            <TextInput
              {...wiring}
              value={retention.keepFor}
              onChange={(event) => set({ keepFor: event.target.value })}
            />
          )}
        </Field>
        <Field label="Logs for" hint="For example 90d." problem={problem('retention.keepLogsFor')}>
          {(wiring) => (
            <TextInput
              {...wiring}
              value={retention.keepLogsFor}
              onChange={(event) => set({ keepLogsFor: event.target.value })}
            />
          )}
        </Field>
      </div>
      <p className="mt-3 text-xs text-ink-3">
        What runs, what is about to, and what may be rolled back to is never taken away.
      </p>
    </Panel>
  );
}
