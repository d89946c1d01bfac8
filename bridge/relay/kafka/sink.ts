import type { Producer } from '@platformatic/kafka'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import type { ForeignSink, Outgoing } from '../foreign.ts'
import { type KafkaLink, loadKafka, toKafkaError } from './link.ts'

interface Sending {
  readonly one: Outgoing
  readonly resolve: () => void
  readonly reject: (error: SpanwireError) => void
}

/** The most messages of one request. */
const MOST = 500

/** Opens a sink. @throws SpanwireError (as rejection) the errors of {@link ForeignTarget.openSink} */
export async function openKafkaSink(link: KafkaLink, topic: string): Promise<ForeignSink> {
  const { Producer, compatibilityPartitioner } = await loadKafka()
  let next = 0
  const producer = new Producer({
    ...link.client,
    idempotent: true,
    // Confirmed by all replicas in sync.
    acks: -1,
    // The partition of a key as Kafka's Java client chooses it. The default of the package differs.
    partitioner: (message: unknown, key: Buffer | undefined) =>
      key === undefined ? next++ : compatibilityPartitioner(message as never, key),
  } as never)
  producer.on('error', () => {})
  try {
    const { topics } = await producer.metadata({ topics: [topic] })
    if (!topics.has(topic))
      throw new SpanwireError('broker-refused', `Kafka has no topic ${topic}. Create it, then restart the relay.`)
    return new KafkaSink(producer, topic)
  } catch (cause) {
    await producer.close(true).catch(() => {})
    throw toKafkaError(cause, topic)
  }
}

/** An idempotent producer. It sends one request at a time, which keeps the order over failures. */
class KafkaSink implements ForeignSink {
  readonly #producer: Producer
  readonly #topic: string
  #waiting: Sending[] = []
  #isSending = false
  #failure: SpanwireError | undefined

  constructor(producer: Producer, topic: string) {
    this.#producer = producer
    this.#topic = topic
  }

  send(one: Outgoing): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ one, resolve, reject })
      if (!this.#isSending) void this.#work()
    })
  }

  async close(): Promise<void> {
    this.#fail(new SpanwireError('broker-unavailable', 'The producer was closed.'))
    await this.#producer.close(true).catch(() => {})
  }

  async #work(): Promise<void> {
    this.#isSending = true
    // Messages of one turn of the event loop share a request.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0 && !this.#failure) await this.#produce(this.#waiting.splice(0, MOST))
    this.#isSending = false
  }

  async #produce(batch: readonly Sending[]): Promise<void> {
    try {
      const topic = this.#topic
      await this.#producer.send({ messages: batch.map(({ one }) => toRecord(one, topic)), idempotent: true, acks: -1 })
      for (const { resolve } of batch) resolve()
    } catch (cause) {
      const error = toKafkaError(cause, this.#topic)
      if (error.code === 'payload-too-large' && batch.length > 1) {
        // One message, or the request, is too large.
        for (const one of batch) await this.#produce([one])
        return
      }
      for (const { reject } of batch) reject(error)
      // The sequence of the idempotent producer is unknown. Queued messages must not overtake the failed ones.
      if (error.code !== 'payload-too-large') this.#fail(error)
    }
  }

  #fail(error: SpanwireError): void {
    this.#failure ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
  }
}

function toRecord({ key, headers, time, payload }: Outgoing, topic: string) {
  return {
    topic,
    ...(key !== undefined && { key: Buffer.from(key) }),
    ...(payload !== null && { value: Buffer.from(payload) }),
    timestamp: BigInt(Math.trunc(time)),
    headers: new Map(headers.map(([name, value]) => [Buffer.from(name), Buffer.from(value)])),
  }
}
