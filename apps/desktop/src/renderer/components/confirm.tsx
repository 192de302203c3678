import { useServerProfile } from '../lib/hooks.ts';
import { Field, TextInput } from './field.tsx';

/** On a server marked as production, the project's name has to be typed before anything happens. */
export function useTypedConfirmation(project: string, typed: string): string | null {
  const profile = useServerProfile();
  if (!profile?.production || typed === project) return null;
  return `Type ${project} to confirm.`;
}

export function ConfirmByName({
  project,
  typed,
  onType,
}: {
  project: string;
  typed: string;
  onType: (typed: string) => void;
}) {
  const profile = useServerProfile();
  if (!profile?.production) return null;
  return (
    <div className="rounded-lg border-2 border-production p-3">
      <Field label={`${profile.name} is production. Type “${project}” to confirm.`}>
        {(wiring) => <TextInput {...wiring} value={typed} onChange={(event) => onType(event.target.value)} />}
      </Field>
    </div>
  );
}
