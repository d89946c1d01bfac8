import type { ChannelModel } from 'amqplib'

/** More arguments than a queue can have. */
const MOST = 16

/** `inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received none but current is the value 'quorum' of type 'longstr'` */
const INEQUIVALENT =
  /inequivalent arg '([^']+)' for queue .*? but current is (?:the value )?(none|'([^']*)'(?: of type '(\w+)')?)/

const SINGLE = 'x-single-active-consumer'

/**
 * Whether a queue has a single active consumer; undefined if RabbitMQ does not say. AMQP has no question for that: the queue
 * is declared as it may be, and each refusal names one argument that differs. Changes nothing, as the queue exists.
 */
export async function hasSingleActiveConsumer(connection: ChannelModel, queue: string): Promise<boolean | undefined> {
  const options: Record<string, boolean> = { durable: true, autoDelete: false }
  const args: Record<string, unknown> = { [SINGLE]: true }
  for (let attempt = 0; attempt < MOST; attempt++) {
    const channel = await connection.createChannel()
    // A refusal closes the channel.
    channel.on('error', () => {})
    try {
      await channel.assertQueue(queue, { ...options, arguments: args })
      await channel.close()
      return true
    } catch (error) {
      const [, name, current, value, type] = INEQUIVALENT.exec((error as Error).message) ?? []
      if (name === SINGLE) return false
      if (name === undefined) return undefined
      if (name === 'durable') options.durable = value === 'true'
      else if (name === 'auto_delete') options.autoDelete = value === 'true'
      else if (name === 'exclusive') return undefined
      else if (current === 'none') delete args[name]
      else args[name] = type === 'longstr' ? value : type === 'bool' ? value === 'true' : Number(value)
    }
  }
  return undefined
}
