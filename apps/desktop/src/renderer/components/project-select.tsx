import { useQuery } from '@tanstack/react-query';
import { api } from '../lib/api.ts';
import { Select } from './field.tsx';

/** A filter by project; empty is all of them. */
export function ProjectSelect({
  value,
  onChange,
  all = 'All projects',
}: {
  value: string | undefined;
  onChange: (project: string) => void;
  /** What stands for all of them; null when one has to be chosen. */
  all?: string | null;
}) {
  const { data } = useQuery(api.projects.list.queryOptions());
  return (
    <Select
      label="Project"
      value={value ?? ''}
      onChange={onChange}
      options={[
        ...(all === null ? [] : [{ value: '', text: all }]),
        ...(data ?? []).map(({ name }) => ({ value: name, text: name })),
      ]}
    />
  );
}
