import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'
import { findNatsServer } from '../../../demo/setup/nats-server.ts'
import { embeddedBridgeEndpoint, natsServerEndpoint, nodeBridgeEndpoint } from './endpoints.ts'
import { stockClients } from './stock-client.ts'
import { testStockClient } from './suite.ts'
import { ConformanceTable } from './table.ts'

const table = new ConformanceTable()
for (const client of stockClients) testStockClient(client, 'nats-server', natsServerEndpoint, table)
for (const client of stockClients) testStockClient(client, 'bridge', nodeBridgeEndpoint, table)
for (const client of stockClients) testStockClient(client, 'bridge, embedded broker', embeddedBridgeEndpoint, table)

afterAll(async () => {
  const version = (await findNatsServer())?.version
  await table.publish(
    `Stock clients with the server-side client nats 2.29 on nats-server ${version}`,
    fileURLToPath(new URL('../../../.cache/conformance-table.md', import.meta.url)),
  )
})
