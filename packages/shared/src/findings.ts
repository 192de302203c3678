/** What a doctor found: `bad` stops the work, `warn` will. */
export interface Finding {
  /** What was looked at, in a word or two. */
  check: string;
  status: 'good' | 'warn' | 'bad';
  /** What was found, in a sentence. */
  detail: string;
  /** What to do about it; null when nothing is to be done. */
  fix: string | null;
}

export const good = (check: string, detail: string): Finding => ({ check, status: 'good', detail, fix: null });
export const warn = (check: string, detail: string, fix: string): Finding => ({ check, status: 'warn', detail, fix });
export const bad = (check: string, detail: string, fix: string): Finding => ({ check, status: 'bad', detail, fix });
