import type { RecordedCommit } from '../builder/ports.ts';
import type { Database } from '../db/connect.ts';

/** Notes commits of a project; those that are noted already stay as they are. */
export async function recordCommits(
  database: Database,
  project: string,
  found: readonly RecordedCommit[],
): Promise<void> {
  // What text in PostgreSQL cannot hold is no reason to fail a build.
  const rows = JSON.stringify(found).replaceAll('\\u0000', '');
  await database.$client`
    insert into commits (project, sha, parents, author, subject, committed_at)
    select ${project}, sha, array(select jsonb_array_elements_text(parents)), author, subject, "committedAt"
    from jsonb_to_recordset(${rows}::text::jsonb)
      as c(sha text, parents jsonb, author text, subject text, "committedAt" timestamptz)
    on conflict do nothing`;
}
