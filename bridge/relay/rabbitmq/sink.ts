import type { ChannelModel, ConfirmChannel } from 'amqplib'
import { decode } from '../../../sdk/wire/bytes.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import type { ForeignSink, Outgoing } from '../foreign.ts'
import { connectRabbit, toRabbitError } from './link.ts'

/** An exchange, or a queue that is reached by the default exchange. */
export type RabbitDestination = { readonly exchange: string } | { readonly queue: string }

/** Opens a sink. @throws SpanwireError (as rejection) the errors of {@link ForeignTarget.openSink} */
export async function openRabbitSink(url: string, to: RabbitDestination): Promise<ForeignSink> {
  const connection = await connectRabbit(url)
  try {
    const channel = await connection.createConfirmChannel()
    channel.on('error', () => {})
    if ('queue' in to) await channel.checkQueue(to.queue)
    else if (to.exchange !== '') await channel.checkExchange(to.exchange)
    return new RabbitSink(connection, channel, to)
  } catch (cause) {
    await connection.close().catch(() => {})
    throw toRabbitError(cause)
  }
}

/** A channel with publisher confirms. */
class RabbitSink implements ForeignSink {
  readonly #connection: ChannelModel
  readonly #channel: ConfirmChannel
  readonly #to: RabbitDestination
  /** Ids of messages that were routed to no queue. RabbitMQ returns a message before its confirm. */
  readonly #returned = new Set<string>()
  #failure: SpanwireError | undefined

  constructor(connection: ChannelModel, channel: ConfirmChannel, to: RabbitDestination) {
    this.#connection = connection
    this.#channel = channel
    this.#to = to
    channel.on('return', ({ properties }) => this.#returned.add(String(properties.messageId)))
    const failed = (error?: unknown) => {
      this.#failure ??= toRabbitError(error ?? new Error('the connection was closed'))
    }
    channel.on('error', failed)
    channel.on('close', failed)
    connection.on('close', failed)
  }

  async send(one: Outgoing): Promise<void> {
    if (this.#failure) throw this.#failure
    const { id, key, payload, headers, time, contentType } = one
    if (payload === null)
      throw new SpanwireError('broker-refused', 'RabbitMQ has no tombstones. Remove "tombstone" from the relay.')
    const [exchange, routingKey] =
      'queue' in this.#to ? ['', this.#to.queue] : [this.#to.exchange, key === undefined ? '' : decode(key)]
    const options = {
      mandatory: true,
      persistent: true,
      messageId: id,
      timestamp: Math.floor(time / 1_000),
      contentType,
      headers: Object.fromEntries(headers),
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    try {
      this.#channel.publish(exchange, routingKey, Buffer.from(payload), options, (error) => {
        const isReturned = this.#returned.delete(id)
        if (error) reject(this.#failure ?? toNack(error))
        else if (isReturned) reject(unroutable(exchange, routingKey))
        else resolve()
      })
    } catch (cause) {
      // Headers over 64 KiB, a routing key over 255 bytes, or a closed channel.
      reject(cause instanceof RangeError || cause instanceof TypeError ? tooLong(cause) : toRabbitError(cause))
    }
    await promise
  }

  async close(): Promise<void> {
    await this.#channel.close().catch(() => {})
    await this.#connection.close().catch(() => {})
  }
}

/** Converts a nack. A full queue with `reject-publish` sends it, and may accept the message later. */
function toNack(error: unknown): SpanwireError {
  const text = error instanceof Error ? error.message : 'nack'
  return /nack/i.test(text)
    ? new SpanwireError('rate-limited', 'RabbitMQ refuses the message at the moment: a queue is full.', {
        cause: error,
      })
    : toRabbitError(error)
}

function unroutable(exchange: string, routingKey: string): SpanwireError {
  const where =
    exchange === '' ? `the queue ${routingKey}` : `the exchange ${exchange} with routing key "${routingKey}"`
  return new SpanwireError(
    'broker-refused',
    `RabbitMQ routes the message to no queue (${where}). Bind a queue, or use another key.`,
  )
}

function tooLong(cause: Error): SpanwireError {
  return new SpanwireError('payload-too-large', `RabbitMQ refuses the message: ${cause.message}.`, { cause })
}
