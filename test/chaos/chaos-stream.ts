import { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { readPage } from '../../sdk/jetstream/page.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { transportLink } from '../../sdk/transport/transport-link.ts'
import { eventually } from '../support/eventually.ts'
import { clusterEvents } from './cluster-contract.ts'
import type { Stored } from './compare.ts'

const decoder = new TextDecoder()

/** Creates the stream CHAOS on all nodes of a cluster, once the cluster is ready. */
export async function createStream(url: string): Promise<void> {
  const transport = nats({ url })
  try {
    await eventually(
      () => ensureStreams(clusterEvents, transport, { defaults: { replicas: 3, duplicateWindow: 600_000 } }),
      { deadline: 60_000, what: 'the cluster to create a stream' },
    )
  } finally {
    await transport.close()
  }
}

/** Reads the events of the stream CHAOS, in order. */
export async function readStored(url: string): Promise<Stored[]> {
  const witness = nats({ url })
  const api = new JetStreamApi(transportLink(witness))
  const stored: Stored[] = []
  try {
    const { lastSeq: to } = await eventually(() => api.streamState('CHAOS'), { deadline: 60_000 })
    for (let from = 1; from <= to; ) {
      const target = { stream: 'CHAOS', filter: 'chaos.*', from, to }
      // Servers refuse some requests shortly after a restart.
      const page = await eventually(() => readPage(api, target, { messages: 1_000, bytes: 10_000_000 }), {
        deadline: 60_000,
        what: 'a page of the stream',
      })
      for (const { seq, payload } of page.messages) stored.push({ seq, n: JSON.parse(decoder.decode(payload)).n })
      from = page.to + 1
    }
    return stored
  } finally {
    await witness.close()
  }
}
