import { expect, it } from 'vitest';
import { csvLine } from './save-file.ts';

it('quotes what would break a table apart, and defuses formulas', () => {
  expect(csvLine(['a', 7, null, 'say "hi", twice', 'two\nlines'])).toBe('a,7,,"say ""hi"", twice","two\nlines"\r\n');
  expect(csvLine(['=1+1', '-x', -3])).toBe("'=1+1,'-x,-3\r\n");
});
