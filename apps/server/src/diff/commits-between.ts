import { sql } from 'drizzle-orm';
import type { Queryable } from '../db/connect.ts';

export interface CommitOfDiff {
  sha: string;
  author: string;
  subject: string;
  committedAt: Date;
}

export interface CommitsBetween {
  /** Newest first. */
  commits: CommitOfDiff[];
  /** There are more, or some that no worker noted. */
  isCut: boolean;
}

/** How many are shown, and how far back anybody looks. */
const mostShown = 200;
const mostWalked = 5_000;

/** The commits that `to` has and `from` has not, of those that workers noted: `git log from..to`. */
export async function commitsBetween(
  where: Queryable,
  project: string,
  from: string,
  to: string,
): Promise<CommitsBetween> {
  const history = (name: string, sha: string) => sql`${sql.raw(name)} as (
    select c.sha, c.parents from commits c where c.project = ${project} and c.sha = ${sha}
    union
    select c.sha, c.parents from ${sql.raw(name)} h
    join commits c on c.project = ${project} and c.sha = any(h.parents)
  )`;
  const rows = (await where.execute(sql`
    with recursive ${history('ours', to)}, ${history('theirs', from)},
    added as (
      select sha, parents from (select * from ours limit ${mostWalked}) walked
      where sha not in (select sha from (select * from theirs limit ${mostWalked}) known)
    )
    select c.sha, c.author, c.subject, c.committed_at as "committedAt",
      -- A parent that nobody noted: whether "from" has it cannot be told.
      exists (select from unnest(a.parents) p where p <> ${from}
        and not exists (select from commits k where k.project = ${project} and k.sha = p)) as open
    from added a join commits c on c.project = ${project} and c.sha = a.sha
    order by c.committed_at desc, c.sha limit ${mostShown + 1}`)) as unknown as (CommitOfDiff & { open: boolean })[];
  const isCut = rows.length > mostShown || rows.some(({ open }) => open);
  return {
    commits: rows.slice(0, mostShown).map(({ open: _, ...commit }) => ({
      ...commit,
      committedAt: new Date(commit.committedAt),
    })),
    isCut,
  };
}
