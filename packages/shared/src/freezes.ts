import { z } from 'zod';

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time such as "18:00"');

/** Hours that come back every week. `to` before `from` goes over midnight, into the next day. */
export const weeklyWindow = z.strictObject({
  days: z
    .array(z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']))
    .min(1)
    .max(7),
  from: timeOfDay,
  to: timeOfDay,
  timeZone: z
    .string()
    .max(64)
    .refine(
      (name) => Intl.supportedValuesOf('timeZone').includes(name) || name === 'UTC',
      'must be a time zone such as "Europe/Berlin"',
    ),
});
export type WeeklyWindow = z.infer<typeof weeklyWindow>;
