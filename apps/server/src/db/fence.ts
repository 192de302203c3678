import { and, eq } from 'drizzle-orm';
import { leaderships } from '../../../../drizzle/schema/index.ts';
import type { Database, Transaction } from './connect.ts';

// A server that was held up (a paused virtual machine, a stopped process) may wake up and go on with what it began while
// it led, though another leads now. So whatever a led loop writes, it writes through a fenced database: each transaction
// first makes sure that the term it belongs to is still the newest, and holds on to that until it commits. Taking over
// needs the same row, so a write either lands before a newer term begins or not at all.

/** Another server leads the loop now: what was to be written was not. */
export class Deposed extends Error {
  constructor(loop: string, epoch: number) {
    super(`term ${epoch} of ${loop} is over: another server leads it`);
    this.name = 'Deposed';
  }
}

/**
 * `database` as a led loop may use it: reading as before, writing in transactions that fail with Deposed once a newer
 * term of `loop` has begun. Writing outside of a transaction is a defect and throws.
 */
export function fenced(database: Database, loop: string, epoch: number): Database {
  const transaction: Database['transaction'] = (work, config) =>
    database.transaction(async (tx) => {
      await insistLeading(tx, loop, epoch);
      return work(tx);
    }, config);
  return new Proxy(database, {
    get(target, name) {
      if (name === 'transaction') return transaction;
      if (name === 'insert' || name === 'update' || name === 'delete') {
        return () => {
          throw new TypeError(`${loop} is led by one server: it writes within a transaction, which its fence guards`);
        };
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Renewing a term goes on beside this lock; taking over waits for it. */
async function insistLeading(tx: Transaction, loop: string, epoch: number): Promise<void> {
  const rows = await tx
    .select({ epoch: leaderships.epoch })
    .from(leaderships)
    .where(and(eq(leaderships.loop, loop), eq(leaderships.epoch, epoch)))
    .for('key share');
  if (rows.length === 0) throw new Deposed(loop, epoch);
}
