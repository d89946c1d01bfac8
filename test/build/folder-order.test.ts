import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSources, root } from './source-files.ts'

/**
 * The folders of each house, from top to bottom: a folder imports only from the folders below it, types included.
 * The README of a house shows the same table.
 */
const ORDER: Record<'sdk' | 'bridge', Record<string, string>> = {
  sdk: {
    'sdk/log': 'a log of a connection: `logged`',
    sdk: 'entry points: `connect`, and all that a page imports from `spanwire`',
    'sdk/services': 'requests of a contract as a NATS service: `serve`',
    'sdk/asyncapi': 'a contract as an AsyncAPI document',
    'sdk/opentelemetry': 'traces: spans around publishing and receiving',
    'sdk/react': 'hooks',
    'sdk/consumer': 'work queues on a stream: `consume`',
    'sdk/streams': '`ensureStreams`: streams as the contract declares them',
    'sdk/store': 'stores for user interface frameworks',
    'sdk/bus': 'the bus: publish, subscribe, request, respond, latest',
    'sdk/replay': 'subscriptions to a stream: place, progress, cursor',
    'sdk/outbox': 'events that outlive a page',
    'sdk/contract': 'subject templates, schemas, the Bus interface, received events',
    'sdk/presence': 'members of a channel',
    'sdk/transport/nats': 'transport over a connection of a NATS package',
    'sdk/transport/http': 'transport over `fetch`',
    'sdk/transport/websocket': 'transport over a WebSocket: the NATS client of a browser',
    'sdk/transport/shared': 'one connection for all tabs of an origin',
    'sdk/transport/sse': 'fallback over Server-Sent Events',
    'sdk/transport': 'the port, and the parts that all transports share',
    'sdk/jetstream': 'the JetStream API, pages of a stream, ordered consumers',
    'sdk/kit': 'timers, backoff, lazy modules, guards, ids',
    'sdk/wire': 'bytes and grammar of the protocol, for both ends',
  },
  bridge: {
    'bridge/cli': 'the command line: a file per command, and the program that runs them',
    'bridge/cli/doctor': 'checks of everything between a client and its events',
    'bridge/inspector': 'the page for operators',
    'bridge/cli/page': 'the playground page of `spanwire dev`',
    'bridge/page-kit': 'parts that the pages share',
    'bridge/cli/processes': 'several processes on one port',
    'bridge/cli/dev': 'the server of `spanwire dev`',
    'bridge/cli/connection': 'flags that connect, subjects and payloads as people write them, JetStream lists',
    'bridge/cli/contract': 'a contract: loaded, described, compared, documented',
    'bridge/cli/settings': 'flags, variables and configuration files of `spanwire bridge`',
    'bridge/cli/schema': 'proofs by JSON Schema',
    'bridge/cli/runtime': 'Node, Bun and Deno as this program sees them',
    'bridge/cli/terminal': 'output, colours, tables, exit codes',
    'bridge/hosts': 'Node, Bun and Deno',
    'bridge/relay/kafka': 'relays from and to Kafka',
    'bridge/relay/rabbitmq': 'relays from and to RabbitMQ',
    'bridge/relay/activemq': 'relays from and to ActiveMQ, and others that speak STOMP',
    'bridge/relay': 'relays: the port to a foreign broker, the declaration and the engine',
    'bridge/testing': 'a bridge in memory, for tests of applications',
    bridge: 'the bridge: a hub and the HTTP application before it',
    'bridge/http': 'Hono routes',
    'bridge/hub': 'many clients in front, one connection to the broker behind',
    'bridge/session': 'protocol state of one client',
    'bridge/contract': 'publishes and subscriptions by the contract and by the application',
    'bridge/log': 'events of operation',
    'bridge/presence': 'members of channels, and gossip between hubs',
    'bridge/replay': 'stream feeds that clients share',
    'bridge/delivery': 'from a message to the bytes of each client: interest, batches, send queue, flow control',
    'bridge/broker': 'the embedded broker',
    'bridge/broker/jetstream': 'JetStream of the embedded broker',
    'bridge/upstream': 'the port to a broker, and NATS behind it',
    'bridge/auth': 'tokens, permissions, limits, rates',
    'bridge/budget': 'shares of users in a hub: memory, filters, requests',
  },
}

describe.each(Object.entries(ORDER))('folders of %s', (house, table) => {
  const folders = Object.keys(table)

  it('are all in the table', async () => {
    const sources = await readSources(house)
    expect([...new Set(sources.map(({ path }) => dirname(path)))].sort()).toEqual(folders.toSorted())
  })

  it('import only from folders below them', async () => {
    const sources = await readSources(house)
    const upwards = sources.flatMap(({ path, imports }) =>
      imports
        .filter(({ from }) => from.startsWith(`${house}/`))
        .filter(({ from }) => folders.indexOf(dirname(from)) < folders.indexOf(dirname(path)))
        .map(({ from }) => `${path} -> ${from}`),
    )
    expect(upwards).toEqual([])
  })
})

it('test/unit mirrors the folders of the sources', async () => {
  const tests = await readSources('test/unit')
  const folders = [...new Set(tests.map(({ path }) => dirname(path).replace(/^test\/unit\/?/, '')))]
  expect(folders.length).toBeGreaterThan(20)
  expect(folders.filter((folder) => !existsSync(join(root, folder)))).toEqual([])
})
