import { expect, it } from 'vitest';
import { AccountTelling, accountOf } from './account.ts';

const intakes = (bytesFrom: [string, number][]) => ({
  intakes: () => ({
    ...{ bytesFrom: new Map(bytesFrom), lanes: 2, useful: 1, asked: 3, wrongPieces: 1, checkingMs: 40 },
  }),
});

it('tells bytes of the hub from those of other machines, over all packs', () => {
  const memberships = [
    intakes([
      ['10.0.0.1:7000', 100],
      ['10.0.0.2:7000', 20],
    ]),
    undefined,
    intakes([['10.0.0.3:7000', 5]]),
  ];
  const account = accountOf(memberships, { host: '10.0.0.1', port: 7_000 }, { http: 7, base: 9 });
  expect(account.sources).toEqual({ peers: 25, hub: 100, http: 7, base: 9 });
  expect(account).toMatchObject({ lanes: 4, useful: 2, asked: 6, wrongPieces: 2, checkingMs: 80 });
  expect(accountOf(memberships, undefined, { http: 0, base: 0 }).sources).toMatchObject({ peers: 125, hub: 0 });
});

it('says which share of the time it was writing, and for how long nothing came', () => {
  const telling = new AccountTelling(1_000);
  const account = accountOf([], undefined, { http: 0, base: 0 });
  const tell = (bytes: number, checkingMs: number, now: number) => {
    const { diskShare, stillMs } = telling.tell(bytes, { ...account, checkingMs }, now);
    return [diskShare, stillMs];
  };
  expect(tell(0, 0, 1_000)).toEqual([0, 0]);
  expect(tell(10, 500, 2_000)).toEqual([0.5, 0]);
  expect(tell(10, 1_900, 3_000)).toEqual([1, 1_000]);
  expect(tell(10, 1_900, 4_000)).toEqual([0, 2_000]);
  expect(tell(11, 1_900, 5_000)).toEqual([0, 0]);
});
