import { client, type PastDeployment } from '../../lib/api.ts';
import { csvLine, saveFile } from '../../lib/save-file.ts';

type Filters = Omit<NonNullable<Parameters<typeof client.history.list.query>[0]>, 'before' | 'limit'>;

const pageSize = 200;
/** As many rows as a spreadsheet still opens with ease; the CLI exports any number. */
const mostRows = 100_000;

const columns: [title: string, cell: (row: PastDeployment) => string | number | null][] = [
  ['deployment', (row) => row.id],
  ['project', (row) => row.project],
  ['status', (row) => row.status],
  ['kind', (row) => row.kind],
  ['build', (row) => row.buildId],
  ['previous build', (row) => row.previousBuildId],
  ['commit', (row) => row.commitSha],
  ['subject', (row) => row.commitSubject],
  ['author', (row) => row.commitAuthor],
  ['requested by', (row) => row.requestedBy],
  ['reason', (row) => row.reason],
  ['outcome', (row) => row.outcome],
  ['hotfix', (row) => (row.hotfix ? 'yes' : 'no')],
  ['requested at', (row) => row.createdAt],
  ['started at', (row) => row.startedAt],
  ['finished at', (row) => row.finishedAt],
  ['seconds', (row) => (row.tookMs === null ? null : row.tookMs / 1_000)],
];

/** Reads all that the filters leave, page by page, and offers it as a CSV file; `onProgress` gets the rows so far. */
export async function exportHistory(filters: Filters, onProgress: (rows: number) => void): Promise<void> {
  const lines = [csvLine(columns.map(([title]) => title))];
  for (let before: number | undefined; ; ) {
    const page = await client.history.list.query({ ...filters, limit: pageSize, ...(before ? { before } : {}) });
    for (const row of page) lines.push(csvLine(columns.map(([, cell]) => cell(row))));
    onProgress(lines.length - 1);
    before = page.at(-1)?.id;
    if (page.length < pageSize || lines.length > mostRows) break;
  }
  saveFile('starling-history.csv', 'text/csv;charset=utf-8', lines);
}
