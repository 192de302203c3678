import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, TestClock } from '@starling/shared/clock.ts';
import type { AgentFrame, MachineReport } from '@starling/shared/hub-protocol.ts';
import type { MachineStep } from '@starling/shared/words.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Outbox } from './outbox.ts';
import { ReportSender } from './report-sender.ts';

let path: string;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-outbox-'));
  path = join(folder, 'outbox.jsonl');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const content = (detail = '', project = 'hello', step: MachineStep = 'IDLE') => ({
  project,
  step,
  observedBuild: null,
  desiredBuild: null,
  deployment: null,
  detail,
});
async function reopened<T>(look: (outbox: Outbox) => T): Promise<T> {
  const outbox = await Outbox.open(path, systemClock);
  try {
    return look(outbox);
  } finally {
    await outbox.close();
  }
}
const linesOnDisk = async () => (await readFile(path, 'utf8')).trim().split('\n');

describe('the outbox', () => {
  it('gives numbers that grow over restarts, also when everything was accepted', async () => {
    const first = await Outbox.open(path, new TestClock(1_000));
    expect([first.append(content()).sequence, first.append(content()).sequence]).toEqual([1_000, 1_001]);
    await first.flush();
    first.accept(1_001);
    await first.close();
    const second = await Outbox.open(path, new TestClock(500));
    expect(second.size).toBe(0);
    expect(second.append(content()).sequence).toBe(1_002);
    await second.close();
  });

  it('offers a report only when it is on disk, and keeps it until it is accepted', async () => {
    const outbox = await Outbox.open(path, systemClock);
    const report = outbox.append(content('kept'));
    expect(outbox.after(0, 10)).toEqual([]);
    await outbox.flush();
    expect(outbox.after(0, 10)).toEqual([report]);
    await outbox.close();
    const again = await Outbox.open(path, systemClock);
    expect(again.after(0, 10)).toEqual([report]);
    again.accept(report.sequence);
    await again.close();
    expect(await linesOnDisk()).toEqual([JSON.stringify({ next: report.sequence + 1 })]);
  });

  it('drops a last line that was cut short, and nothing else', async () => {
    const outbox = await Outbox.open(path, systemClock);
    const report = outbox.append(content('whole'));
    await outbox.close();
    await appendFile(path, '{"sequence":99999999999999,"at":1,"proj');
    const again = await Outbox.open(path, systemClock);
    expect(again.after(0, 10)).toEqual([report]);
    expect(again.append(content('next')).sequence).toBe(report.sequence + 1);
    await again.close();
    expect(await reopened((outbox) => outbox.size)).toBe(2);
  });

  it('is bounded: superseded reports go first, the latest of every project stays', async () => {
    const outbox = await Outbox.open(path, systemClock);
    outbox.append(content('the only one', 'quiet'));
    for (let n = 0; n < 10_050; n += 1) outbox.append(content(`${n}`));
    expect(outbox.size).toBeLessThanOrEqual(10_000);
    expect(outbox.latestOf('quiet')?.detail).toBe('the only one');
    expect(outbox.latestOf('hello')?.detail).toBe('10049');
    await outbox.close();
  });

  it('writes many reports that come together with few lines left over after they are accepted', async () => {
    const outbox = await Outbox.open(path, systemClock);
    for (let n = 0; n < 1_500; n += 1) outbox.append(content(`${n}`));
    await outbox.flush();
    const reports = outbox.after(0, 10_000);
    outbox.accept(reports[1_399]?.sequence ?? 0);
    await outbox.flush();
    expect(await linesOnDisk()).toHaveLength(101);
    const last = outbox.append(content('after'));
    await outbox.close();
    expect(await reopened((outbox) => outbox.after(0, 10_000).at(-1))).toEqual(last);
  });
});

describe('the sender', () => {
  const batches = (frames: AgentFrame[]) =>
    frames.flatMap((frame) => (frame.type === 'reports' ? [frame.reports] : []));

  it('sends batches of at most 200, each report once a connection, all anew on the next', async () => {
    const outbox = await Outbox.open(path, systemClock);
    const frames: AgentFrame[] = [];
    const sender = new ReportSender(outbox, systemClock, (frame) => {
      frames.push(frame);
      return true;
    });
    for (let n = 0; n < 450; n += 1) outbox.append(content(`${n}`));
    await outbox.flush();
    sender.connected();
    const sent = batches(frames.splice(0));
    expect(Math.max(...sent.map((batch) => batch.length))).toBe(200);
    const firsts = sent.flat().slice(-450);
    expect(new Set(firsts.map(({ sequence }) => sequence)).size).toBe(450);
    sender.accepted(firsts[199]?.sequence ?? 0);
    sender.connected();
    expect(batches(frames).flat()).toEqual(firsts.slice(200));
    await outbox.close();
  });

  it('keeps at most 1,000 reports on their way and goes on when some are accepted', async () => {
    const outbox = await Outbox.open(path, systemClock);
    const sent: MachineReport[] = [];
    for (let n = 0; n < 1_500; n += 1) outbox.append(content(`${n}`));
    await outbox.flush();
    const sender = new ReportSender(outbox, systemClock, (frame) => {
      if (frame.type === 'reports') sent.push(...frame.reports);
      return true;
    });
    sender.connected();
    expect(sent).toHaveLength(1_000);
    sender.accepted(sent[499]?.sequence ?? 0);
    expect(sent).toHaveLength(1_500);
    await outbox.close();
  });

  it('keeps batches of long details within a frame', async () => {
    const outbox = await Outbox.open(path, systemClock);
    const sizes: number[] = [];
    const sender = new ReportSender(outbox, systemClock, (frame) => {
      sizes.push(Buffer.byteLength(JSON.stringify(frame)));
      return true;
    });
    for (let n = 0; n < 200; n += 1) outbox.append(content('漢'.repeat(4_000)));
    await outbox.flush();
    sender.connected();
    expect(Math.max(...sizes)).toBeLessThan(1024 * 1024);
    await outbox.close();
  });

  it('sends again what a hub without room did not take, but not what it is still busy with', async () => {
    const clock = new TestClock();
    const outbox = await Outbox.open(path, clock);
    const batchesSent: number[][] = [];
    const sender = new ReportSender(outbox, clock, (frame) => {
      if (frame.type === 'reports') batchesSent.push(frame.reports.map(({ sequence }) => sequence));
      return true;
    });
    sender.start();
    const first = outbox.append(content('first')).sequence;
    await outbox.flush();
    await clock.advance(10_000);
    expect(batchesSent).toEqual([[first]]);
    await clock.advance(10_000);
    expect(batchesSent).toEqual([[first], [first]]);
    sender.accepted(first);
    await clock.advance(60_000);
    expect(batchesSent).toHaveLength(2);
    await sender.stop();
    await outbox.close();
  });
});
