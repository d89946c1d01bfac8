import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEmbeddedBroker } from '../../bridge/broker/embedded.ts'
import { createUpstream } from '../../bridge/hosts/upstream-url.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { jetstreamConformance } from './jetstream.ts'

jetstreamConformance('embedded, in memory', async () => {
  const broker = createEmbeddedBroker()
  return { connect: () => broker.connect(), [Symbol.asyncDispose]: async () => broker.close() }
})

jetstreamConformance('embedded, in node:sqlite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-streams-'))
  const broker = createEmbeddedBroker({ path: join(folder, 'streams.db') })
  return {
    connect: () => broker.connect(),
    async [Symbol.asyncDispose]() {
      broker.close()
      await rm(folder, { recursive: true })
    },
  }
})

jetstreamConformance('nats-server', async () => {
  const server = await startNatsServer({ jetstream: true })
  return { connect: () => createUpstream(server.url), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
})
