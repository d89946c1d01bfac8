/** The messages of a stream, read without the code under test. */
import { connect, type JsMsg } from 'nats'

/** A message of a stream. */
export interface StoredEvent {
  readonly seq: number
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/** All messages of a stream, in order. */
export async function readStream(url: string, stream: string): Promise<StoredEvent[]> {
  const connection = await connect({ servers: url.split(',').map((one) => one.replace('nats://', '')) })
  try {
    const manager = await connection.jetstreamManager()
    const { state } = await manager.streams.info(stream)
    const events: StoredEvent[] = []
    if (state.messages === 0) return events
    const consumer = await connection.jetstream().consumers.get(stream)
    const messages = await consumer.consume({ max_messages: 500 })
    for await (const message of messages) {
      events.push(toStored(message))
      if (message.info.pending === 0) break
    }
    return events
  } finally {
    await connection.close()
  }
}

function toStored(message: JsMsg): StoredEvent {
  const headers: Record<string, string> = {}
  for (const [name, [value]] of message.headers ?? []) headers[name] = value ?? ''
  return { seq: message.seq, subject: message.subject, headers, text: new TextDecoder().decode(message.data) }
}

/** How many messages a stream has on subjects of a filter. */
export async function countStored(url: string, stream: string, filter: string): Promise<number> {
  const connection = await connect({ servers: url.split(',').map((one) => one.replace('nats://', '')) })
  try {
    const manager = await connection.jetstreamManager()
    const { state } = await manager.streams.info(stream, { subjects_filter: filter })
    return Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0)
  } finally {
    await connection.close()
  }
}
