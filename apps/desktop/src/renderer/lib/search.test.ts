import { expect, it } from 'vitest';
import { readBuildsSearch, readHistorySearch, readJobSearch, readMachinesSearch, readProjectSearch } from './search.ts';

it('reads what it knows and leaves out the rest', () => {
  expect(readMachinesSearch({ region: 'eu-west', show: 'failed', project: '', other: 1 })).toEqual({
    region: 'eu-west',
    show: 'failed',
  });
  expect(readBuildsSearch({ show: 'everything', project: ['a'] })).toEqual({});
  expect(readProjectSearch({ tab: 'machines' })).toEqual({ tab: 'machines' });
  expect(readHistorySearch({ period: '30d', status: 'FAILED', tab: 'nonsense', build: 1234 })).toEqual({
    period: '30d',
    status: 'FAILED',
    build: '1234',
  });
});

it('takes a number back as the text it was', () => {
  expect(readJobSearch({ find: 404 })).toEqual({ find: '404' });
});
