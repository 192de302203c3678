import { expect, it } from 'vitest';
import { readBuildsSearch, readJobSearch, readMachinesSearch, readProjectSearch } from './search.ts';

it('reads what it knows and leaves out the rest', () => {
  expect(readMachinesSearch({ region: 'eu-west', show: 'failed', project: '', other: 1 })).toEqual({
    region: 'eu-west',
    show: 'failed',
  });
  expect(readBuildsSearch({ show: 'everything', project: ['a'] })).toEqual({});
  expect(readProjectSearch({ tab: 'machines' })).toEqual({ tab: 'machines' });
});

it('takes a number back as the text it was', () => {
  expect(readJobSearch({ find: 404 })).toEqual({ find: '404' });
});
