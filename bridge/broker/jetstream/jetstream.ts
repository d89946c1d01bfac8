import { hasWildcard, matchesFilter } from '../../../sdk/wire/subject.ts'
import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { toApiError } from './api-error.ts'
import { API_PREFIX, ApiRoutes } from './api-routes.ts'
import { type BrokerPort, NO_BYTES } from './broker-port.ts'
import { PullConsumer } from './pull-consumer.ts'
import { PushConsumer } from './push-consumer.ts'
import { StreamRegistry, type StreamRegistryOptions } from './stream-registry.ts'

const decoder = new TextDecoder()

/**
 * JetStream of the embedded broker: a subset of its API, on nats-server's subjects. Unsupported requests are refused with
 * an error that names nats-server.
 */
export class JetStream {
  readonly #registry: StreamRegistry
  readonly #api: ApiRoutes
  readonly #port: BrokerPort

  constructor(port: BrokerPort, options: StreamRegistryOptions) {
    this.#port = port
    this.#registry = new StreamRegistry(options)
    this.#api = new ApiRoutes(this.#registry, port, options.clock)
  }

  /** Takes each published message. Returns whether JetStream handles it: then it has a responder. */
  take(message: UpstreamMessage): boolean {
    if (message.subject.startsWith('$')) {
      if (message.subject.startsWith(API_PREFIX)) return this.#api.handle(message)
      if (message.subject.startsWith('$JS.ACK.')) return this.#acknowledge(message)
      if (message.subject.startsWith('$JS.FC.')) return this.#flowControlAnswered(message.subject)
    }
    return this.#capture(message)
  }

  /** The interest in a filter has changed. Push consumers deliver only while there is interest. */
  interestChanged(filter: string): void {
    const { consumers } = this.#api
    if (consumers.count === 0) return
    if (!hasWildcard(filter)) {
      for (const consumer of [...consumers.sendingTo(filter)]) consumer.interestChanged()
      return
    }
    for (const consumer of [...consumers.pushing()]) {
      if (matchesFilter(filter, consumer.deliverSubject)) consumer.interestChanged()
    }
  }

  close(): void {
    this.#registry.close()
  }

  #capture(message: UpstreamMessage): boolean {
    const stream = this.#registry.capturing(message.subject)
    if (!stream) return false
    const { name, no_ack } = stream.config
    let answer: object | undefined
    try {
      const stored = stream.append(message)
      if (stored) {
        const { seq, duplicate, batch } = stored
        answer = {
          stream: name,
          seq,
          ...(duplicate && { duplicate }),
          ...(batch && { batch: batch.id, count: batch.count }),
        }
      }
    } catch (error) {
      answer = { error: toApiError(error), stream: name, seq: 0 }
    }
    const { reply } = message
    if (reply === undefined || no_ack) return true
    if (answer) this.#api.answer(reply, answer)
    else this.#port.send(reply, { subject: reply, payload: NO_BYTES })
    return true
  }

  /** `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.…` */
  #acknowledge({ subject, reply, payload }: UpstreamMessage): boolean {
    const [, , stream = '', name = '', , seq] = subject.split('.')
    const consumer = this.#api.consumers.find(stream, name)
    if (!consumer) return false
    consumer.acknowledged(Number(seq), payload)
    if (reply === undefined) return true
    if (consumer instanceof PullConsumer && decoder.decode(payload.subarray(0, 4)) === '+NXT') {
      this.#api.next({ names: [stream, name], reply, payload: payload.slice(4) })
    } else {
      this.#port.send(reply, { subject: reply, payload: NO_BYTES })
    }
    return true
  }

  /** `$JS.FC.<stream>.<consumer>.…` */
  #flowControlAnswered(subject: string): boolean {
    const [, , stream = '', name = ''] = subject.split('.')
    const consumer = this.#api.consumers.find(stream, name)
    if (consumer instanceof PushConsumer) consumer.flowControlAnswered(subject)
    return true
  }
}
