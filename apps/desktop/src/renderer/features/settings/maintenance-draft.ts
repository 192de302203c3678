import type { ProjectSettings } from '@starling/shared/project-settings.ts';
import { labelsOf, labelText, nextRow } from './draft-texts.ts';

// When machines with certain labels may be touched, as it is typed: hours of a week, one window a line.

export interface MaintenanceDraft {
  row: number;
  labels: string;
  /** `sat,sun 22:00-04:00 Europe/Berlin`, one a line. */
  windows: string;
}

type Rule = ProjectSettings['maintenance'][number];

export const emptyMaintenance = (timeZone: string): MaintenanceDraft => ({
  row: nextRow(),
  labels: '',
  windows: `sat,sun 22:00-04:00 ${timeZone}`,
});

export const maintenanceDraft = ({ labels, windows }: Rule): MaintenanceDraft => ({
  row: nextRow(),
  labels: labelText(labels),
  windows: windows.map(({ days, from, to, timeZone }) => `${days.join(',')} ${from}-${to} ${timeZone}`).join('\n'),
});

/** As the schema takes it; of a line that says something else, what was typed, for the schema to refuse. */
export const writtenMaintenance = ({ labels, windows }: MaintenanceDraft): Record<string, unknown> => ({
  labels: labelsOf(labels),
  windows: windows
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [days = '', hours = '', timeZone = '', ...rest] = line.trim().split(/\s+/);
      const [from = '', to = ''] = hours.split('-');
      return rest.length > 0 ? line : { days: days.toLowerCase().split(','), from, to, timeZone };
    }),
});
