import process from 'node:process'
import { defineConfig } from 'vitest/config'

/** Tests of relays on real brokers. Most of their time is spent in starts of brokers, so two files run side by side. */
const relays = ['test/relays/**/*.test.ts', 'test/packaging/relay-guides.test.ts']

/** Tests that start browsers, workerd, other runtimes or the demo. They spend much time waiting, so two files run side by side. */
const heavy = [
  'test/{browser,cli,workerd,runtimes,demo,chaos,packaging,leak}/**/*.test.{ts,tsx}',
  'test/{conformance,security}/**/*{workerd,runtimes}.test.ts',
  'test/integration/*-herd.test.ts',
]

/** Tests of hosts. The version of nats-server does not change their outcome, so they run on one version. */
const hosts = [
  'test/{conformance,security}/**/*{workerd,runtimes}.test.ts',
  'test/integration/*-herd.test.ts',
  'test/chaos/cluster.test.ts',
  'test/runtimes/listen-backlog.test.ts',
]
const isSecondRun = process.env.SPANWIRE_RUN === 'second'

export default defineConfig({
  test: {
    testTimeout: 40_000,
    hookTimeout: 60_000,
    setupFiles: ['test/support/seed.ts'],
    globalSetup: ['test/packaging/package-folder.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'light',
          include: ['test/**/*.test.{ts,tsx}'],
          exclude: [...heavy, ...relays],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'heavy',
          include: heavy,
          exclude: isSecondRun ? [...relays, ...hosts] : relays,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: 'relays', include: relays, maxWorkers: 2, sequence: { groupOrder: 2 } },
      },
    ],
  },
})
