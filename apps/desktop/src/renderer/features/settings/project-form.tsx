import { settingsOf } from '@starling/shared/project-settings.ts';
import { useMutation } from '@tanstack/react-query';
import { Save } from 'lucide-react';
import { useMemo, useState } from 'react';
import { toast } from 'sonner';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmByName, useTypedConfirmation } from '../../components/confirm.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { api, type Outputs, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { readableError } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';
import { CheckSection } from './check-section.tsx';
import { MaintenanceSection } from './maintenance-section.tsx';
import { ApprovalSection, BuildSection, RetentionSection, ReviewSection } from './project-sections.tsx';
import { RolloutSection } from './rollout-section.tsx';
import { draftOf, problemsIn, type SettingsDraft, writtenOf } from './settings-draft.ts';
import { TaskSection } from './task-section.tsx';
import { TriggerSection } from './trigger-section.tsx';
import { WebhookSection } from './webhook-section.tsx';

type Written = Record<string, unknown>;

export interface SectionProps {
  draft: SettingsDraft;
  change: (change: Partial<SettingsDraft>) => void;
  /** What is wrong with a field, by its path; null when nothing is. */
  problem: (path: string) => string | null;
}

/** A project's settings as a form. It is checked by the server's own schema while one types, and again by the server. */
export function ProjectForm({ project, saved }: { project: string; saved: Outputs['projects']['settings'] }) {
  const readOnly = useWhyReadOnly();
  const [before, setBefore] = useState(saved);
  const [draft, setDraft] = useState(() => draftOf(before.settings));
  const [typed, setTyped] = useState('');
  const unconfirmed = useTypedConfirmation(project, typed);
  const written = useMemo(() => writtenOf(draft, before.written as Written), [draft, before]);
  const problems = useMemo(() => problemsIn(written), [written]);
  const isChanged =
    JSON.stringify(written) !== JSON.stringify(writtenOf(draftOf(before.settings), before.written as Written));
  // Somebody else saved while this form was open: theirs must not be overwritten unseen.
  const isOld = JSON.stringify(saved.written) !== JSON.stringify(before.written);
  const startOver = () => {
    setBefore(saved);
    setDraft(draftOf(saved.settings));
    save.reset();
  };
  const save = useMutation(
    api.projects.configure.mutationOptions({
      onSuccess: (answer) => {
        const now = { ...answer, settings: settingsOf(answer.written) } as typeof saved;
        queryClient.setQueryData(api.projects.settings.queryKey({ project }), now);
        setBefore(now);
        setDraft(draftOf(now.settings));
        setTyped('');
        toast.success(`The settings of ${project} are saved.`);
      },
    }),
  );
  const refused = save.error ? readableError(save.error) : null;
  const section: SectionProps = {
    draft,
    change: (change) => setDraft((now) => ({ ...now, ...change })),
    problem: (path) =>
      problems.get(path) ?? (refused?.field === `settings.${path}` ? refused.message.replace(/^[^:]*: /, '') : null),
  };
  const blocked =
    readOnly ??
    (problems.size > 0 ? `${plural(problems.size, 'field needs', 'fields need')} another look.` : null) ??
    unconfirmed;
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (!blocked && isChanged && !save.isPending) save.mutate({ project, settings: written });
      }}
    >
      {isOld && (
        <div role="status" className="flex flex-wrap items-center gap-3 rounded-lg bg-warn-soft px-4 py-2.5 text-warn">
          <span className="flex-1">Somebody else has changed these settings since they were opened here.</span>
          <Button size="small" onClick={startOver}>
            Show theirs
          </Button>
        </div>
      )}
      <div className="grid gap-4 xl:grid-cols-2">
        <ApprovalSection {...section} />
        <ReviewSection {...section} />
        <BuildSection {...section} />
        <RetentionSection {...section} />
      </div>
      <RolloutSection {...section} />
      <CheckSection {...section} />
      <MaintenanceSection {...section} />
      <TaskSection {...section} />
      <TriggerSection {...section} />
      <WebhookSection project={project} />
      {isChanged && <ConfirmByName project={project} typed={typed} onType={setTyped} />}
      {save.error && <ErrorPanel error={save.error} title="The settings were not saved" />}
      <div className="sticky bottom-0 -mx-6 -mb-5 flex flex-wrap items-center gap-3 border-t border-line bg-surface px-6 py-2.5">
        <div className="min-w-64 flex-1">
          <CliLine command={cli.settings(project, isChanged)} />
        </div>
        <span className="text-xs text-ink-2" role="status">
          {isChanged ? (blocked ?? 'Not saved yet.') : 'Nothing is changed.'}
        </span>
        <Button disabledBecause={isChanged ? null : 'Nothing is changed.'} onClick={startOver}>
          Discard
        </Button>
        <Button
          type="submit"
          look="primary"
          busy={save.isPending}
          disabledBecause={isChanged ? blocked : 'Nothing is changed.'}
          icon={<Save aria-hidden className="size-3.5" />}
        >
          Save the settings
        </Button>
      </div>
    </form>
  );
}
