import { formatDuration } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { and, eq, isNull, sql } from 'drizzle-orm';
import { accounts } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import type { Database } from '../db/connect.ts';
import type { Logger } from '../lib/log.ts';
import type { Account } from './accounts.ts';
import { hashPassword, verifyPassword } from './passwords.ts';

/** So many wrong passwords are a person's; from then on the account is locked, for longer each time. */
export const freeTries = 5;
const firstLockMs = 60_000;
const longestLockMs = 3_600_000;

/** How long an account is locked after so many wrong passwords in a row; 0 while it is not. */
export const lockAfter = (failures: number): number =>
  failures < freeTries ? 0 : Math.min(longestLockMs, firstLockMs * 2 ** (failures - freeTries));

export interface Attempt {
  name: string;
  password: string;
  requestId: string;
}

/**
 * The account that name and password belong to. Throws UNAUTHENTICATED, with the same words whatever was wrong: they must
 * not tell which names there are, nor which are locked.
 */
export async function signInWithPassword(database: Database, attempt: Attempt, log: Logger): Promise<Account> {
  const { name, password, requestId } = attempt;
  // Counted before the password is looked at: guesses that come at the same moment count one after another too.
  const [account] = await database
    .update(accounts)
    .set({ failedSignIns: sql`${accounts.failedSignIns} + 1` })
    .where(
      and(
        eq(accounts.name, name),
        isNull(accounts.disabledAt),
        sql`(${accounts.lockedUntil} is null or ${accounts.lockedUntil} < now())`,
      ),
    )
    .returning();
  const { right, outdated } = await verifyPassword(password, account?.passwordHash);
  if (!account || !right) {
    log.warn({ requestId }, `a sign-in as ${JSON.stringify(name.slice(0, 63))} was refused`);
    if (account) await lockWhenGuessed(database, account, requestId);
    throw new StarlingError('UNAUTHENTICATED', 'The name or the password is wrong.', {
      fix: 'After several wrong passwords an account is locked for a while; an administrator can unlock it.',
    });
  }
  const passwordHash = outdated ? await hashPassword(password) : account.passwordHash;
  await database
    .update(accounts)
    .set({ failedSignIns: 0, lockedUntil: null, passwordHash })
    .where(eq(accounts.id, account.id));
  return account;
}

async function lockWhenGuessed(database: Database, { id, name, failedSignIns }: Account, requestId: string) {
  const lockMs = lockAfter(failedSignIns);
  if (lockMs === 0) return;
  await database.transaction(async (tx) => {
    await tx
      .update(accounts)
      .set({ lockedUntil: sql`now() + ${lockMs} * interval '1 millisecond'` })
      .where(eq(accounts.id, id));
    await recordAudit(tx, {
      actor: 'starling',
      action: 'account.lock',
      project: null,
      target: name,
      details: { wrongPasswords: failedSignIns, for: formatDuration(lockMs) },
      requestId,
    });
  });
}
