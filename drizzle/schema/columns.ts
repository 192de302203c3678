import { bigint, timestamp } from 'drizzle-orm/pg-core';

/** A moment, stored with its zone and read as a Date. */
export const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });

/** A count of bytes: exact in a JavaScript number up to 8 PiB. */
export const bytes = (name: string) => bigint(name, { mode: 'number' });
