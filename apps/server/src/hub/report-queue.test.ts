import { TestClock } from '@starling/shared/clock.ts';
import type { HubReport } from '@starling/shared/hub-protocol.ts';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type MachineState, ReportQueue } from './report-queue.ts';
import { MemoryControl, makeReport, silent } from './test-hub.ts';

function startQueue(control: { report(batch: HubReport): Promise<void> }, maxReports = 100) {
  const clock = new TestClock();
  const accepted: [string, number][] = [];
  const connected: MachineState[] = [];
  const queue = new ReportQueue({
    hub: 'hub',
    region: 'eu',
    control,
    clock,
    log: silent,
    maxReports,
    onAccepted: (machine, upTo) => accepted.push([machine, upTo]),
    connected: () => connected,
  }).start();
  onTestFinished(() => queue.stop());
  return { queue, clock, accepted, connected };
}
const reports = (...sequences: number[]) => sequences.map(makeReport);
const machine = (name: string): MachineState => ({
  machine: name,
  labels: {},
  agentVersion: '1',
  address: '127.0.0.1',
  connected: true,
});

describe('ReportQueue', () => {
  it('passes on the last report of each project and deployment, which acknowledges those before it', async () => {
    const control = new MemoryControl();
    const { queue, clock, accepted } = startQueue(control, 2);
    const of = (deployment: number, ...sequences: number[]) =>
      reports(...sequences).map((report) => ({ ...report, deployment }));
    control.failure = new Error('away');
    expect(queue.add('m1', of(7, 1, 2))).toBe(true);
    expect(queue.add('m1', [...of(8, 4), ...of(7, 3, 5)])).toBe(true);
    // What comes again late takes nothing's place.
    expect(queue.add('m1', of(7, 2, 3))).toBe(true);
    expect(queue.size).toBe(2);
    control.failure = undefined;
    await clock.advance(20_000);
    expect(control.reports.map(({ sequence }) => sequence)).toEqual([4, 5]);
    expect(accepted).toEqual([['m1', 5]]);
    expect(queue.size).toBe(0);
  });

  it('takes nothing past a hole that it left for want of room', async () => {
    const control = new MemoryControl();
    control.failure = new Error('away');
    const { queue, clock, accepted } = startQueue(control, 3);
    expect(queue.add('m1', reports(1, 2))).toBe(true);
    expect(queue.add('m1', reports(3, 4))).toBe(false);
    // There is room for one, but taking it would acknowledge the two that were turned away.
    expect(queue.add('m1', reports(5))).toBe(false);
    expect(queue.add('m2', reports(1))).toBe(true);
    control.failure = undefined;
    await clock.advance(20_000);
    expect(accepted.sort()).toEqual([
      ['m1', 2],
      ['m2', 1],
    ]);
    expect(queue.add('m1', reports(6))).toBe(false);
    expect(queue.add('m1', reports(3, 4))).toBe(true);
    expect(queue.add('m1', reports(5))).toBe(true);
    await clock.advance(1_000);
    expect(accepted.at(-1)).toEqual(['m1', 5]);
    expect(control.reports.filter((report) => report.machine === 'm1').map(({ sequence }) => sequence)).toEqual([
      1, 2, 3, 4, 5,
    ]);
  });

  it('takes what an agent sends again, without the reports that it gave up meanwhile', () => {
    const { queue } = startQueue(new MemoryControl(), 2);
    expect(queue.add('m1', reports(1, 2, 3))).toBe(false);
    expect(queue.add('m1', reports(4))).toBe(false);
    expect(queue.add('m1', reports(3, 4))).toBe(true);
  });

  it('forgets the hole with the connection: the next one begins with what was not acknowledged', () => {
    const control = new MemoryControl();
    const { queue } = startQueue(control, 1);
    expect(queue.add('m1', reports(1, 2))).toBe(false);
    queue.connected(machine('m1'));
    expect(queue.add('m1', reports(7))).toBe(true);
  });

  it('lets others through when control refuses one report for ever', async () => {
    const taken: string[] = [];
    const control = {
      async report(batch: HubReport) {
        if (batch.reports.some((report) => report.machine === 'odd')) throw new Error('no such deployment');
        taken.push(...batch.reports.map((report) => `${report.machine} ${report.sequence}`));
      },
    };
    const { queue, clock } = startQueue(control);
    queue.add('odd', reports(1));
    for (let index = 0; index < 9; index += 1) queue.add(`m${index}`, reports(1, 2));
    await clock.advance(600_000);
    expect(taken.length).toBe(18);
    expect(queue.size).toBe(1);
  });

  it('tells control every ten seconds who is connected, and once who left', async () => {
    const control = new MemoryControl();
    const { queue, clock, connected } = startQueue(control);
    connected.push(machine('m1'));
    queue.connected(machine('m1'));
    queue.disconnected(machine('m2'));
    await clock.advance(31_000);
    const told = control.batches.flatMap((batch) =>
      batch.machines.map((state) => `${state.machine} ${state.connected}`),
    );
    expect(told.filter((line) => line === 'm1 true').length).toBe(4);
    expect(told.filter((line) => line === 'm2 false').length).toBe(1);
  });

  it('keeps the latest progress only', async () => {
    const control = new MemoryControl();
    const { queue, clock } = startQueue(control);
    const progress = { project: 'hello', deployment: 1, bytesTotal: 100, bytesPerSecond: 1 };
    await clock.advance(0);
    queue.addProgress('m1', { ...progress, bytesDone: 10 });
    queue.addProgress('m1', { ...progress, bytesDone: 60 });
    await clock.advance(1_000);
    expect(control.batches.flatMap((batch) => batch.progress.map(({ bytesDone }) => bytesDone))).toEqual([60]);
  });

  it('tells of a fetch that goes on every 5 s, and at once that it has ended', async () => {
    const control = new MemoryControl();
    const { queue, clock } = startQueue(control);
    const progress = { project: 'hello', deployment: 1, bytesTotal: 100, bytesPerSecond: 1 };
    await clock.advance(0);
    for (let second = 1; second <= 12; second += 1) {
      queue.addProgress('m1', { ...progress, bytesDone: second === 12 ? 100 : second });
      await clock.advance(1_000);
    }
    const told = control.batches.flatMap((batch) => batch.progress.map(({ bytesDone }) => bytesDone));
    expect(told[0]).toBe(1);
    expect(told.at(-1)).toBe(100);
    expect(told.length).toBe(4);
  });

  it('does not wait for ever for an answer of control', async () => {
    let calls = 0;
    const control = {
      report: () => {
        calls += 1;
        return calls === 1 ? new Promise<void>(() => undefined) : Promise.resolve();
      },
    };
    const { queue, clock, accepted } = startQueue(control);
    queue.add('m1', reports(1));
    await clock.advance(14_000);
    expect([calls, accepted]).toEqual([1, []]);
    await clock.advance(10_000);
    expect([calls, accepted]).toEqual([2, [['m1', 1]]]);
  });
});
