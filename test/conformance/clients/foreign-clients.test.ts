import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildGoClient, type ForeignClient, installPythonClient } from '../../support/foreign-clients.ts'
import { isSkipped } from '../../support/runtimes.ts'
import { type ClientEndpoint, embeddedBridgeEndpoint, natsServerEndpoint, nodeBridgeEndpoint } from './endpoints.ts'
import { features } from './features.ts'
import { ConformanceTable } from './table.ts'

/** For all features of one client at all endpoints. One feature has 30 s. */
const TIMEOUT = 240_000

const endpoints: ReadonlyArray<readonly [string, () => Promise<ClientEndpoint>]> = [
  ['nats-server', natsServerEndpoint],
  ['bridge', nodeBridgeEndpoint],
  ['bridge, embedded broker', embeddedBridgeEndpoint],
]
const clients = [
  ['go', 'nats.go', buildGoClient],
  ['python', 'nats.py', installPythonClient],
] as const
const table = new ConformanceTable()

for (const [runtime, name, prepare] of clients) {
  describe.skipIf(isSkipped(runtime))(name, () => {
    const results = new Map(endpoints.map(([endpoint]) => [endpoint, new Map<string, string | null>()]))

    // The programs wait most of the time: all endpoints at once take as long as one.
    beforeAll(async () => {
      const client = await prepare()
      const runs = endpoints.map(([endpoint, makeEndpoint]) => runAt(client, makeEndpoint, results.get(endpoint)))
      const [failed] = (await Promise.allSettled(runs)).filter(({ status }) => status === 'rejected')
      for (const [endpoint, outcomes] of results)
        for (const { name: feature } of features)
          table.record(client.name, endpoint, feature, outcomes.get(feature) === null)
      if (failed?.status === 'rejected') throw failed.reason
    }, TIMEOUT)

    describe.each(endpoints)('at %s', (endpoint) => {
      it.each(features.map(({ name: feature }) => feature))('%s', (feature) => {
        expect(results.get(endpoint)?.get(feature), 'the error that the client reports').toBeNull()
      })
    })
  })
}

afterAll(() =>
  table.publish(
    'Clients in other languages',
    fileURLToPath(new URL('../../../.cache/foreign-clients.md', import.meta.url)),
  ),
)

async function runAt(
  client: ForeignClient,
  makeEndpoint: () => Promise<ClientEndpoint>,
  results = new Map<string, string | null>(),
): Promise<void> {
  const endpoint = await makeEndpoint()
  try {
    await runAll(client, endpoint, results)
  } finally {
    await endpoint.close()
  }
}

/** Runs a client's program, and executes its commands. */
async function runAll(
  { command, args, env }: ForeignClient,
  endpoint: ClientEndpoint,
  results: Map<string, string | null>,
): Promise<void> {
  const { url, full, limited, wrong, peer } = endpoint
  const config = JSON.stringify({ url, full, limited, wrong, peer })
  const child = spawn(command, args, { env: { ...process.env, ...env, CONFIG: config } })
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors = (errors + chunk).slice(-4_000)
  })
  const ended = exitOf(child)
  try {
    for await (const line of createInterface(child.stdout)) {
      const said = JSON.parse(line) as { feature?: string; error?: string | null; do?: 'cut' | 'restart' }
      if (said.feature !== undefined) results.set(said.feature, said.error ?? null)
      if (said.do === 'cut') endpoint.cut()
      if (said.do === 'restart') await endpoint.restart()
      if (said.do) child.stdin.write('done\n')
    }
    if ((await ended) !== 0) throw new Error(`The client ended with ${await ended}: ${errors}`)
  } finally {
    child.kill('SIGKILL')
  }
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', resolve))
}
