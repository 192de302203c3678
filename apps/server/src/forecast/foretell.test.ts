import type { BuildManifest } from '@starling/packs/manifest.ts';
import { describe, expect, it } from 'vitest';
import { foretell, type KnownDeployment } from './foretell.ts';

const GB = 1e9;
const known = (more: Partial<KnownDeployment> = {}): KnownDeployment => ({
  ...{ build: 'shop@000000000002', target: undefined, bases: new Map(), ancestors: new Map() },
  ...{ packBytes: GB, streamBytes: GB, installMs: 5_000, minHealthyMs: 10_000, checksAreMeasured: false },
  regions: [
    { region: 'eu', bases: [{ build: 'shop@000000000001', machines: 40 }], racks: 2, bytesPerSecond: 125e6 },
    { region: 'us', bases: [{ build: 'shop@000000000002', machines: 10 }], racks: 0, bytesPerSecond: undefined },
  ],
  waves: [
    {
      wave: 1,
      bakeMs: 60_000,
      regions: [
        { region: 'eu', machines: 4 },
        { region: 'us', machines: 1 },
      ],
    },
    {
      wave: 2,
      bakeMs: 0,
      regions: [
        { region: 'eu', machines: 36 },
        { region: 'us', machines: 9 },
      ],
    },
  ],
  ...more,
});
const forecastOf = (more?: Partial<KnownDeployment>) => foretell(known(more), 60_000, () => 0);

describe('a forecast', () => {
  it('is made of waves: bytes to the slowest region, installing, baking', () => {
    const { waves, totalMs, machines, bytes, regions, bases } = forecastOf();
    expect(waves.map(({ wave, machines: of, slowestRegion, bakeMs }) => [wave, of, slowestRegion, bakeMs])).toEqual([
      [1, 5, 'eu', 60_000],
      [2, 45, 'eu', 0],
    ]);
    // 8 s is what a link takes for 1 GB; the hub's pull takes as long again.
    for (const { fetchMs } of waves) expect(fetchMs / 1_000).toBeGreaterThan(16);
    for (const { fetchMs } of waves) expect(fetchMs / 1_000).toBeLessThan(24);
    expect(totalMs).toBe(
      waves.reduce((sum, { fetchMs, installMs, bakeMs }) => sum + 1_000 + fetchMs + installMs + bakeMs, 0),
    );
    expect([machines, bytes]).toEqual([50, 40 * GB]);
    expect(regions.map(({ region, isMeasured }) => [region, isMeasured])).toEqual([
      ['eu', true],
      ['us', false],
    ]);
    expect(bases).toEqual([
      { build: 'shop@000000000001', machines: 40, bytesEach: GB },
      { build: 'shop@000000000002', machines: 10, bytesEach: 0 },
    ]);
  });

  it('says what it assumed, and nothing when all was measured', () => {
    expect(forecastOf({ installMs: undefined }).assumptions).toEqual([
      expect.stringContaining('The manifest could not be read'),
      expect.stringContaining('1 Gbit/s'),
      expect.stringContaining('150 MB/s'),
    ]);
    const [eu] = known().regions;
    const bases = [{ build: 'shop@000000000002', machines: 40 }];
    const forecast = forecastOf({
      regions: [{ ...eu!, bases }],
      waves: [{ wave: 1, bakeMs: 0, regions: [{ region: 'eu', machines: 40 }] }],
    });
    expect(forecast.assumptions).toEqual([]);
    expect(forecast, 'all have it: nothing moves').toMatchObject({ bytes: 0, hubBytes: 0, totalMs: 6_000 });
  });

  it('takes what machines lack from the plan that they make themselves', () => {
    const chunk = (digest: string) => ({
      digest,
      length: 1_000_000,
      pack: 0,
      packOffset: 0,
      storedLength: 1_000_000,
      encoding: 0,
    });
    const manifest = (...digests: string[]) =>
      ({
        chunks: digests.map((digest, index) => ({
          ...chunk(digest),
          offset: index * 1_000_000,
          storedOffset: index * 1_000_000,
        })),
        ...{ packs: [{ digest: 'p', sizeBytes: digests.length * 1_000_000 }], patches: [], ancestors: [] },
      }) as unknown as BuildManifest;
    const target = manifest('a', 'b', 'c', 'd', 'e', 'f');
    const base = { manifest: manifest('a', 'b', 'c'), digest: 'm1' };
    const { bases } = forecastOf({ target, bases: new Map([['shop@000000000001', base]]) });
    const [withBase] = bases;
    expect(withBase?.bytesEach).toBeGreaterThan(2_900_000);
    expect(withBase?.bytesEach).toBeLessThan(3_200_000);
    const { bases: without, assumptions } = forecastOf({ target });
    expect(without[0]?.bytesEach).toBeGreaterThan(5_900_000);
    expect(assumptions).toContainEqual(expect.stringContaining('taken to fetch everything'));
  });

  it('never simulates for longer than it may: then it goes by the bound, and says so', () => {
    const forecast = foretell(known(), 0, () => 1);
    expect(forecast.waves[0]!.fetchMs).toBeGreaterThan(16_000);
    expect(forecast.assumptions).toContainEqual(expect.stringContaining('for want of time'));
  });

  it('plans the most common build whatever it takes, and others only while there is time', () => {
    const chunk = { length: 500_000, pack: 0, offset: 0, encodedLength: 500_000 };
    const manifest = (...digests: string[]) =>
      ({
        chunks: digests.map((digest, index) => ({ ...chunk, digest, offset: index * 500_000 })),
        ...{ packs: [{ digest: 'p', sizeBytes: digests.length * 500_000 }], patches: [], ancestors: [] },
      }) as unknown as BuildManifest;
    const [common, rare] = ['shop@000000000001', 'shop@000000000003'];
    const bases = new Map([
      [common, { manifest: manifest('a', 'b', 'c'), digest: 'm1' }],
      [rare, { manifest: manifest('a'), digest: 'm3' }],
    ]);
    const fleet = [
      { build: known().build, machines: 50 },
      { build: common, machines: 40 },
      { build: rare, machines: 2 },
    ];
    const regions = [{ region: 'eu', bases: fleet, racks: 0, bytesPerSecond: 125e6 }];
    const request = known({ target: manifest('a', 'b', 'c', 'd', 'e', 'f'), bases, regions });
    const [, most, few] = foretell(request, 0, () => 1).bases;
    expect([most?.bytesEach, few?.bytesEach]).toEqual([1_500_000, 1_500_000]);
    expect(foretell(request, 60_000, () => 1).bases[2]?.bytesEach).toBe(2_500_000);
  });

  it('of 100,000 machines in ten regions is no more work than of a few hundred', () => {
    const regions = Array.from({ length: 10 }, (_, index) => ({
      ...{ region: `r${index}`, racks: 250, bytesPerSecond: 117e6 },
      bases: [{ build: 'shop@000000000001', machines: 10_000 }],
    }));
    const waves = [100, 900, 9_000].map((machines, index) => ({
      ...{ wave: index + 1, bakeMs: 0 },
      regions: regions.map(({ region }) => ({ region, machines })),
    }));
    const forecast = forecastOf({ regions, waves, packBytes: 10 * GB });
    expect(forecast.machines).toBe(100_000);
    for (const { fetchMs } of forecast.waves) expect(fetchMs / 1_000).toBeLessThan(((10 * GB) / 117e6) * 2.6);
  });
});
