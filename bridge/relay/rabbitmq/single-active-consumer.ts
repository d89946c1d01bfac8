import type { ChannelModel } from 'amqplib'
import { messageOf } from '../../../sdk/kit/error-text.ts'

/** Attempts. Each one finds one argument of the queue. */
const MOST = 16

/** Text of a refusal: `inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received none but current is the value 'quorum' of type 'longstr'` */
const INEQUIVALENT =
  /inequivalent arg '([^']+)' for queue .*? but current is (?:the value )?(none|'([^']*)'(?: of type '(\w+)')?)/

const SINGLE = 'x-single-active-consumer'

/**
 * Returns whether an existing queue has a single active consumer. Undefined if that is unknown. AMQP has no request for the
 * arguments of a queue. A declaration with other arguments is refused, and the refusal names one argument of the queue. The
 * declarations do not change the queue.
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
      const [, name, current, value, type] = INEQUIVALENT.exec(messageOf(error)) ?? []
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
