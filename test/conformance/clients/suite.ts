import { afterAll, beforeAll, describe, it } from 'vitest'
import type { ClientEndpoint } from './endpoints.ts'
import { type FeatureContext, features, uniqueToken } from './features.ts'
import type { StockClient, StockConnection } from './stock-client.ts'
import type { ConformanceTable } from './table.ts'

/** Tests each feature with `client` at the endpoint and the reference client on the nats-server behind it. */
export function testStockClient(
  client: StockClient,
  endpointName: string,
  makeEndpoint: () => Promise<ClientEndpoint>,
  table: ConformanceTable,
): void {
  describe(`${client.name} at ${endpointName}`, () => {
    let endpoint: ClientEndpoint
    beforeAll(async () => {
      endpoint = await makeEndpoint()
    }, 60_000)
    afterAll(() => endpoint?.close())

    for (const feature of features) {
      it(feature.name, { timeout: 30_000 }, async () => {
        const connections: StockConnection[] = []
        const keep = async (connecting: Promise<StockConnection>) => {
          const connection = await connecting
          connections.push(connection)
          return connection
        }
        const context: FeatureContext = {
          client,
          endpoint,
          token: uniqueToken(),
          connect: (options) => keep(client.connect({ servers: endpoint.url, ...endpoint.full, ...options })),
          peer: () => keep(endpoint.peerClient.connect(endpoint.peer)),
          stores(connection) {
            if (!client.stores) throw new Error(`${client.name} has no stores`)
            return client.stores(connection)
          },
        }
        try {
          await feature.run(context)
          table.record(client.name, endpointName, feature.name, true)
        } catch (error) {
          table.record(client.name, endpointName, feature.name, false)
          throw error
        } finally {
          await Promise.all(connections.map((connection) => connection.close()))
        }
      })
    }
  })
}
