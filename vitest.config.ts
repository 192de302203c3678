import { defineConfig } from 'vitest/config';

// What takes minutes and finds what the others nearly always find first: `npm run test:long`, before a release.
const long = [
  'test/system/scenarios/**/*.test.ts',
  'test/system/soak.test.ts',
  'test/system/update-bytes.test.ts',
  'test/system/waves.test.ts',
  'test/console/heap.test.ts',
  'test/console/scale.test.ts',
  'test/console/states.test.ts',
];

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{apps,packages}/*/src/**/*.test.{ts,tsx}', 'test/house/**/*.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/postgres/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          // After the quick ones, and alone: it starts two dozen processes.
          sequence: { groupOrder: 1 },
          include: ['test/system/**/*.test.ts'],
          exclude: long,
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'console',
          sequence: { groupOrder: 2 },
          include: ['test/console/**/*.test.ts'],
          exclude: long,
          globalSetup: ['test/postgres/global-setup.ts'],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'long',
          sequence: { groupOrder: 3 },
          include: long,
          globalSetup: ['test/postgres/global-setup.ts'],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
    maxWorkers: 2,
  },
});
