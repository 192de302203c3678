import { type Period, periods, periodWords } from '../lib/periods.ts';
import { Select } from './field.tsx';

/** A filter by time. */
export function PeriodSelect({
  value,
  onChange,
  any = 'Any time',
}: {
  value: Period | undefined;
  onChange: (period: Period | undefined) => void;
  /** What stands for no limit; null when there has to be one. */
  any?: string | null;
}) {
  return (
    <Select
      label="Time"
      value={value ?? ''}
      onChange={(chosen) => onChange(periods.find((period) => period === chosen))}
      options={[
        ...(any === null ? [] : [{ value: '', text: any }]),
        ...periods.map((period) => ({ value: period, text: periodWords(period) })),
      ]}
    />
  );
}
