import { expect, it } from 'vitest';
import { firstOfEach } from './pages.ts';

it('keeps the first of rows that moved from one page to another while they were read', () => {
  const rows = [{ id: 'b' }, { id: 'a' }, { id: 'b' }, { id: 'c' }];
  expect(firstOfEach(rows, ({ id }) => id)).toEqual([{ id: 'b' }, { id: 'a' }, { id: 'c' }]);
});
