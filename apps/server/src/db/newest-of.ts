import { and, eq, inArray, type SQL, sql } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';

/** Whoever sees more projects than this sees enough of any list: it is read as a whole and filtered. */
const mostApart = 40;

/**
 * A condition that leaves the newest `limit` rows of these projects, in the order of `newestFirst`. It takes that many of each
 * project by itself, so that somebody who sees a few quiet projects among many busy ones does not have all of the table
 * read. `conditions` are the list's other ones: they decide which are the newest.
 */
export function newestOf(
  table: PgTable,
  { id, project }: { id: PgColumn; project: PgColumn },
  projects: readonly string[],
  { conditions, newestFirst, limit }: { conditions: readonly SQL[]; newestFirst: readonly PgColumn[]; limit: number },
): SQL {
  if (projects.length === 0) return sql`false`;
  if (projects.length === 1) return eq(project, projects[0]!);
  if (projects.length > mostApart) return inArray(project, [...projects]);
  const order = (columns: readonly SQL[]) =>
    sql.join(
      columns.map((column) => sql`${column} desc`),
      sql`, `,
    );
  // A statement for each name: the planner knows how much there is of each. The names of the inner table hide those of the
  // outer one, so the same conditions serve in both.
  const ofEach = projects.map(
    (name) => sql`(select ${id} as id, ${sql.join(
      newestFirst.map((column, place) => sql`${column} as ${sql.raw(`place_${place}`)}`),
      sql`, `,
    )} from ${table} where ${and(eq(project, name), ...conditions)}
      order by ${order(newestFirst.map((column) => sql`${column}`))} limit ${limit})`,
  );
  return inArray(
    id,
    sql`(select newest.id from (${sql.join(ofEach, sql` union all `)}) newest
      order by ${order(newestFirst.map((_, place) => sql.raw(`newest.place_${place}`)))} limit ${limit})`,
  );
}
