import { connect, type Database, disconnect } from '@starling/server/db/connect.ts';
import { Deposed } from '@starling/server/db/fence.ts';
import { type Candidacy, standForLeader, type Term } from '@starling/server/db/leader.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { postgresVersionKeys } from '@starling/server/version-keys/postgres-store.ts';
import { type Clock, systemClock, TestClock } from '@starling/shared/clock.ts';
import { sql } from 'drizzle-orm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { sampleKey } from '../../apps/server/src/version-keys/version-key-store-contract.ts';
import { leaderships, projects } from '../../drizzle/schema/index.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { holdUp } from '../postgres/hold-up.ts';

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
const patience = { timeout: 15_000, interval: 50 };
const opened: { candidacies: Candidacy[]; databases: Database[] } = { candidacies: [], databases: [] };
afterEach(async () => {
  await Promise.all(opened.candidacies.splice(0).map((candidacy) => candidacy.stop()));
  await Promise.all(opened.databases.splice(0).map(disconnect));
  await test.database.delete(projects);
});

/** A server that stands for the leader of `loop`; its terms are noted in the order they begin and end. */
function stand(server: string, loop: string, clock: Clock = systemClock, idleInTransactionMs = 0) {
  const database = connect(test.url, { applicationName: server, maxConnections: 4, idleInTransactionMs });
  opened.databases.push(database);
  const terms: Term[] = [];
  let ended = 0;
  const candidacy = standForLeader({
    leases: test.database,
    database,
    name: loop,
    server,
    clock,
    log,
    lead: (term) => {
      terms.push(term);
      return {
        stop: async () => {
          ended += 1;
        },
      };
    },
  });
  opened.candidacies.push(candidacy);
  return { candidacy, terms, endedTerms: () => ended };
}

const addProject = (database: Pick<Database, 'insert'>, name: string) =>
  database.insert(projects).values({ name, repositoryUrl: '/r', defaultRef: 'main', binaryName: name, createdBy: 't' });
const projectNames = async () => (await test.database.select().from(projects)).map(({ name }) => name);
const leadership = async (loop: string) =>
  (await test.database.select().from(leaderships).where(sql`loop = ${loop}`))[0]!;

/** A leader whose clock stands still, as that of a stopped process does: it never renews. */
async function frozenLeader(loop: string, idleInTransactionMs = 0) {
  const frozen = stand('frozen', loop, new TestClock(), idleInTransactionMs);
  await vi.waitFor(() => expect(frozen.terms).toHaveLength(1), patience);
  return frozen;
}

describe('a loop', () => {
  it('is led by one server at a time, and by the other at once when the first stops in good order', async () => {
    const first = stand('first', 'orderly');
    await vi.waitFor(() => expect(first.candidacy.leading).toBe(true), patience);
    const second = stand('second', 'orderly');
    await first.candidacy.stop();
    expect(first.endedTerms()).toBe(1);
    await vi.waitFor(() => expect(second.candidacy.leading).toBe(true), patience);
    expect(second.terms[0]!.epoch).toBeGreaterThan(first.terms[0]!.epoch);
    expect(await leadership('orderly')).toMatchObject({ leader: 'second', epoch: second.terms[0]!.epoch });
  });

  it('has exactly one leader however many stand at once', async () => {
    const servers = Array.from({ length: 6 }, (_, index) => stand(`s${index}`, 'crowded'));
    await vi.waitFor(() => expect(servers.some(({ candidacy }) => candidacy.leading)).toBe(true), patience);
    const { epoch } = await leadership('crowded');
    // Several renewals later it is still the same one.
    const { renewedAt } = await leadership('crowded');
    await vi.waitFor(async () => expect((await leadership('crowded')).renewedAt > renewedAt).toBe(true), patience);
    expect(servers.flatMap(({ terms }) => terms.map((term) => term.epoch))).toEqual([epoch]);
  });

  it('is taken over within ten seconds from a leader that is held up, which then cannot write', async () => {
    const frozen = await frozenLeader('held-up');
    const { renewedAt } = await leadership('held-up');
    const next = stand('next', 'held-up');
    await vi.waitFor(() => expect(next.candidacy.leading).toBe(true), patience);
    const { since } = await leadership('held-up');
    expect(since.getTime() - renewedAt.getTime()).toBeLessThan(10_000);

    const late = frozen.terms[0]!.database;
    await expect(late.transaction((tx) => addProject(tx, 'late'))).rejects.toThrow(Deposed);
    await next.terms[0]!.database.transaction((tx) => addProject(tx, 'in-time'));
    expect(await projectNames()).toEqual(['in-time']);
    expect(await late.select().from(projects)).toHaveLength(1);
  });

  it('is not taken over while its leader commits: the write lands before the next term, or not at all', async () => {
    const frozen = await frozenLeader('committing');
    let commit = () => {};
    const held = new Promise<void>((resolve) => {
      commit = resolve;
    });
    const writing = frozen.terms[0]!.database.transaction(async (tx) => {
      await addProject(tx, 'before');
      await held;
    });
    const next = stand('next', 'committing');
    // It has found the lease at its end and waits for the row.
    await vi.waitFor(async () => {
      const [row] = await test.database.execute(
        sql`select count(*)::int as waiting from pg_locks where not granted and pid <> pg_backend_pid()`,
      );
      expect(row?.waiting).toBeGreaterThan(0);
    }, patience);
    expect(next.candidacy.leading).toBe(false);
    commit();
    await writing;
    await vi.waitFor(() => expect(next.candidacy.leading).toBe(true), patience);
    expect(await projectNames()).toEqual(['before']);
  });

  it('is taken over from a leader that is held up in the middle of a transaction, of which nothing stays', async () => {
    const frozen = await frozenLeader('half-way', 2_000);
    const writing = frozen.terms[0]!.database.transaction(async (tx) => {
      await addProject(tx, 'half');
      await new Promise(() => {});
    });
    writing.catch(() => {});
    const next = stand('next', 'half-way');
    await vi.waitFor(() => expect(next.candidacy.leading).toBe(true), patience);
    expect(await projectNames()).toEqual([]);
  });

  it('is taken over from a server that is held up while it takes over itself', async () => {
    const unfinished = connect(test.url, { applicationName: 'held-up', maxConnections: 2 });
    opened.databases.push(unfinished);
    let reached = false;
    const leases: Database = Object.assign(Object.create(unfinished) as Database, {
      // It has done everything but commit, and holds the row.
      transaction: (work: Parameters<Database['transaction']>[0]) =>
        unfinished.transaction(async (tx) => {
          await work(tx);
          reached = true;
          await new Promise(() => {});
        }),
    });
    const { stop } = standForLeader({
      leases,
      database: unfinished,
      name: 'taking',
      server: 'held-up',
      clock: systemClock,
      log,
      lead: () => ({ stop: async () => {} }),
    });
    await vi.waitFor(() => expect(reached).toBe(true), patience);
    const next = stand('next', 'taking');
    await vi.waitFor(() => expect(next.candidacy.leading).toBe(true), patience);
    expect(await leadership('taking')).toMatchObject({ leader: 'next' });
    void stop();
  });

  it('is taken over from a leader that is held up between two messages of a statement', async () => {
    await frozenLeader('mid-statement');
    const heldUp = await holdUp(test.url, "select 1 from leaderships where loop = 'mid-statement' for key share");
    const next = stand('next', 'mid-statement');
    await vi.waitFor(() => expect(next.candidacy.leading).toBe(true), patience);
    await heldUp.ended;
  });

  it('begins with an epoch above all before, also after the database forgot some', async () => {
    const first = stand('first', 'restored');
    await vi.waitFor(() => expect(first.candidacy.leading).toBe(true), patience);
    await first.candidacy.stop();
    await test.database.delete(leaderships).where(sql`loop = 'restored'`);
    const second = stand('second', 'restored');
    await vi.waitFor(() => expect(second.candidacy.leading).toBe(true), patience);
    expect(second.terms[0]!.epoch).toBeGreaterThan(first.terms[0]!.epoch);
  });
});

describe('a fenced database', () => {
  it('lets nothing be written outside of a transaction', async () => {
    const leader = stand('leader', 'strict');
    await vi.waitFor(() => expect(leader.candidacy.leading).toBe(true), patience);
    const { database } = leader.terms[0]!;
    expect(() => database.insert(projects)).toThrow('within a transaction');
    expect(() => database.update(projects)).toThrow('within a transaction');
    expect(() => database.delete(projects)).toThrow('within a transaction');
  });

  it('keeps a late leader from writing version keys', async () => {
    const frozen = await frozenLeader('keys');
    const next = stand('next', 'keys');
    await vi.waitFor(() => expect(next.candidacy.leading).toBe(true), patience);
    const store = (term: Term) => postgresVersionKeys(term.database, systemClock, log);
    await expect(store(frozen.terms[0]!).put(sampleKey('shop', 1), 0)).rejects.toThrow(Deposed);
    expect(await store(next.terms[0]!).put(sampleKey('shop', 1), 0)).toBe(true);
  });
});
