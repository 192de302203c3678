import { bigint, customType, timestamp } from 'drizzle-orm/pg-core';

/** A moment, stored with its zone and read as a Date. */
export const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });

/** A count of bytes: exact in a JavaScript number up to 8 PiB. */
export const bytes = (name: string) => bigint(name, { mode: 'number' });

/**
 * A machine's name. Compared byte by byte whatever the database's language is, so that one index serves the order of a list,
 * the place where a page begins, and a search for how names begin.
 */
export const machineName = customType<{ data: string }>({ dataType: () => 'text collate "C"' });
