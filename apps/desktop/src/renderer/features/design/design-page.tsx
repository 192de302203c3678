import { CircleCheck, Inbox, Rocket } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import { Bar } from '../../components/bar.tsx';
import { Button, IconButton } from '../../components/button.tsx';
import { Legend } from '../../components/charts/legend.tsx';
import { StackedColumns } from '../../components/charts/stacked-columns.tsx';
import { Tenths, TenthsAxis } from '../../components/charts/tenths.tsx';
import { TimeLine } from '../../components/charts/time-line.tsx';
import { Choices } from '../../components/choices.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmButton } from '../../components/confirm-button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Checkbox, Field, NumberInput, SearchInput, Select, SelectInput, TextInput } from '../../components/field.tsx';
import { Figure } from '../../components/figure.tsx';
import { Kbd } from '../../components/kbd.tsx';
import { EmptyState, Facts, Loading, Page, Panel } from '../../components/page.tsx';
import { Sha } from '../../components/sha.tsx';
import { DeploymentStatusBadge, JobStatusBadge, ReplicaStatusBadge, StepBadge, Tag } from '../../components/status.tsx';
import { useTitle } from '../../lib/hooks.ts';

const surfaces = ['canvas', 'surface', 'raised', 'sunken', 'line', 'line-strong'];
const inks = ['ink', 'ink-2', 'ink-3', 'accent'];
const tones = ['ok', 'busy', 'warn', 'bad', 'idle'] as const;
const days = Array.from({ length: 14 }, (_, day) => `${day + 1} Nov`);
const wave = (height: number, phase: number) =>
  days.map((_, day) => Math.round(height * (1.2 + Math.sin(day / 2 + phase))));

/** Every component with every look it has, in the theme that is chosen: what the design is made of. */
export function DesignPage() {
  useTitle('Design');
  const [choice, setChoice] = useState<'one' | 'two'>('one');
  const [isOn, setOn] = useState(true);
  return (
    <Page title="Design" below="Every component of the console, with the tokens it is made of">
      <div className="grid gap-4 xl:grid-cols-2">
        <Panel title="Colour">
          <div className="flex flex-col gap-3">
            <Swatches names={surfaces} />
            <p className="flex flex-wrap gap-x-5 gap-y-1">
              {inks.map((name) => (
                <span key={name} style={{ color: `var(--${name})` }} className="font-medium">
                  {name}
                </span>
              ))}
            </p>
            <div className="flex flex-wrap gap-2">
              {tones.map((tone) => (
                <span
                  key={tone}
                  className="inline-flex items-center gap-2 rounded-md px-2.5 py-1 text-xs font-semibold"
                  style={{ color: `var(--${tone})`, background: `var(--${tone}-soft)` }}
                >
                  <span className="size-2.5 rounded-sm" style={{ background: `var(--${tone}-bar)` }} />
                  {tone}
                </span>
              ))}
            </div>
          </div>
        </Panel>
        <Panel title="Type and space">
          <div className="flex flex-col gap-1">
            <p className="text-2xl font-semibold tracking-tight">24 px, a figure that leads</p>
            <p className="text-lg font-semibold tracking-tight">18 px, the title of a page</p>
            <p className="text-sm font-semibold">13 px, the title of a panel</p>
            <p>13 px, text; figures have one width: 1,111 and 8,888</p>
            <p className="text-xs text-ink-2">12 px, what stands beside</p>
            <p className="eyebrow">11 px, a heading of columns</p>
            <p className="font-mono text-xs">12 px, mono: a1b2c3d, eu-west-1</p>
          </div>
        </Panel>
        <Panel title="Buttons">
          <div className="flex flex-wrap items-center gap-2">
            <Button look="primary" icon={<Rocket aria-hidden className="size-3.5" />}>
              Primary
            </Button>
            <Button>Plain</Button>
            <Button look="danger">Danger</Button>
            <Button look="quiet">Quiet</Button>
            <Button size="small">Small</Button>
            <Button busy>Busy</Button>
            <Button disabledBecause="Three of seven regions have it.">Not now</Button>
            <ConfirmButton again="Really?" onConfirm={() => {}}>
              Twice
            </ConfirmButton>
            <IconButton label="An icon with a name">
              <CircleCheck aria-hidden className="size-4" />
            </IconButton>
            <Kbd keys="mod+K" />
          </div>
        </Panel>
        <Panel title="States: an icon and a word, never a colour alone">
          <div className="flex flex-wrap items-center gap-x-5 gap-y-2">
            {(['WAITING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'ABORTED', 'SUPERSEDED'] as const).map((status) => (
              <DeploymentStatusBadge key={status} status={status} />
            ))}
            <DeploymentStatusBadge status="RUNNING" pausedBy="ada" boxed />
            <DeploymentStatusBadge status="RUNNING" pausedBy="starling" boxed />
            <JobStatusBadge status="RUNNING" stage="RECIPE" />
            <ReplicaStatusBadge status="COPYING" />
            <StepBadge step="PROBING" />
            <StepBadge step="FETCHING" online={false} />
            <Tag>tag</Tag>
            <Tag tone="accent">current</Tag>
            <Tag tone="ok">last good</Tag>
            <Tag tone="warn">in quarantine</Tag>
          </div>
        </Panel>
        <Panel title="Fields">
          <div className="grid gap-3 sm:grid-cols-2">
            <Field label="Text" hint="What it is for.">
              {(wiring) => <TextInput {...wiring} defaultValue="release/*" />}
            </Field>
            <Field label="Text that is wrong" problem='expected a duration such as "10s"'>
              {(wiring) => <TextInput {...wiring} defaultValue="a while" />}
            </Field>
            <Field label="Number">{(wiring) => <NumberInput {...wiring} defaultValue={3} />}</Field>
            <Field label="Choice">
              {(wiring) => <SelectInput {...wiring} options={[{ value: 'a', text: 'As the repository says' }]} />}
            </Field>
            <div className="sm:col-span-2">
              <Choices
                label="One of a few"
                value={choice}
                onChange={setChoice}
                choices={[
                  { value: 'one', text: 'Once', hint: 'Between two moments' },
                  { value: 'two', text: 'Every week', hint: 'Some hours of some days' },
                ]}
              />
            </div>
            <Checkbox label="A switch" hint="What it does." checked={isOn} onChange={setOn} />
            <span className="flex flex-wrap gap-2">
              <SearchInput label="Find by name" className="w-36" />
              <Select label="Region" value="" onChange={() => {}} options={[{ value: '', text: 'All regions' }]} />
            </span>
          </div>
        </Panel>
        <Panel title="Figures, bars and facts">
          <div className="flex flex-col gap-3">
            <div className="grid grid-cols-2 gap-3">
              <Figure
                value="99,988 / 100,000"
                text="machines online"
                icon={<CircleCheck aria-hidden className="size-4 text-ok" />}
              />
              <Figure value="3.7 a day" text="deployments" />
            </div>
            <Bar
              thick
              total={100}
              label="70 done, 20 in progress, 10 failed"
              segments={[
                { amount: 70, tone: 'ok' },
                { amount: 20, tone: 'busy' },
                { amount: 10, tone: 'bad' },
              ]}
            />
            <Facts
              facts={[
                ['Commit', <Sha key="sha" sha={'0123456789abcdef'.repeat(2)} />],
                ['Pack', '84 MB'],
                ['Region', 'eu-west'],
              ]}
            />
            <CliLine command="starling deploy shop 1a2b3c4 --reason 'the weekly release'" />
          </div>
        </Panel>
        <Panel
          title="Columns"
          beside={
            <Legend
              entries={[
                { tone: 'ok', text: 'succeeded' },
                { tone: 'bad', text: 'failed' },
              ]}
            />
          }
        >
          <StackedColumns
            label="Deployments of two weeks"
            places={days}
            names={days}
            layers={[
              { text: 'succeeded', tone: 'ok', values: wave(5, 0) },
              { text: 'failed', tone: 'bad', values: wave(1, 2) },
            ]}
          />
        </Panel>
        <Panel title="Tenths">
          <Tenths shares={[1, 0, 2, 5, 3, 8, 2, 9, 4, 12, 31]} label="Machines by how much they have" tall />
          <TenthsAxis />
        </Panel>
        <Panel title="A line">
          <TimeLine
            label="Lead time of two weeks"
            places={days}
            names={days}
            values={wave(40, 1).map((minutes, day) => (day === 6 ? null : minutes * 60_000))}
          />
        </Panel>
        <Panel title="While it loads" flush>
          <Loading rows={3} label="An example of what is loading" />
        </Panel>
        <Panel title="When nothing is there">
          <EmptyState icon={Inbox} title="Nothing waits for you" action={<Button>One thing to do about it</Button>}>
            What would be here, and when.
          </EmptyState>
        </Panel>
      </div>
      <ErrorPanel
        error={new Error('eu-west FAILED: no space left on the device')}
        title="When something went wrong: what, why, and what mends it"
        onRetry={() => {}}
      />
    </Page>
  );
}

function Swatches({ names }: { names: readonly string[] }): ReactNode {
  return (
    <div className="grid grid-cols-3 gap-2 sm:grid-cols-6">
      {names.map((name) => (
        <span key={name} className="text-xs text-ink-2">
          <span className="mb-1 block h-9 rounded-md border border-line" style={{ background: `var(--${name})` }} />
          {name}
        </span>
      ))}
    </div>
  );
}
