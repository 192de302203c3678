import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { choosePorts } from './ports.ts';

const host = '127.0.0.1';

it('keeps what is free, moves what is taken near by and says from where, and never gives one port twice', async () => {
  const other = createServer().listen(0, host);
  await once(other, 'listening');
  const { port: taken } = other.address() as { port: number };
  const [free] = await choosePorts([{ name: 'any', port: 0 }], host);
  try {
    const chosen = await choosePorts(
      [
        { name: 'moved', port: taken },
        { name: 'kept', port: free!.port },
        { name: 'moved too', port: taken },
        { name: 'any', port: 0 },
      ],
      host,
    );
    expect(chosen.map(({ movedFrom }) => movedFrom)).toEqual([taken, undefined, taken, undefined]);
    expect(chosen[1]!.port).toBe(free!.port);
    expect(new Set(chosen.map(({ port }) => port)).size).toBe(4);
    expect(chosen.map(({ port }) => port)).not.toContain(taken);
  } finally {
    other.close();
  }
});

it('takes any port from where systems hand out none', async () => {
  const chosen = await choosePorts(
    Array.from({ length: 20 }, (_, index) => ({ name: `${index}`, port: 0 })),
    host,
  );
  for (const { port, movedFrom } of chosen) {
    expect(port).toBeGreaterThanOrEqual(10_000);
    expect(port).toBeLessThan(20_000);
    expect(movedFrom).toBeUndefined();
  }
});
