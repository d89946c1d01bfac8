import type { ChannelModel } from 'amqplib'
import { messageOf } from '../../../sdk/kit/error-text.ts'
import { membersOf } from '../../../sdk/kit/kinds.ts'
import { isSpanwireError, SpanwireError } from '../../../sdk/wire/errors.ts'

/** The time until the connection is open, in ms. */
const CONNECT_TIMEOUT = 5_000

/** Connects. @throws SpanwireError (as rejection) `unsupported`, `broker-unavailable`, `authentication-failed` */
export async function connectRabbit(url: string): Promise<ChannelModel> {
  const client = await import(/* webpackIgnore: true */ /* turbopackIgnore: true */ 'amqplib').catch((cause) => {
    throw new SpanwireError('unsupported', 'RabbitMQ needs a client: run "npm install amqplib".', { cause })
  })
  try {
    const connection = await client.connect(withHeartbeat(url), {
      timeout: CONNECT_TIMEOUT,
      noDelay: true,
      clientProperties: { connection_name: 'spanwire relay' },
    })
    // Later errors close the channels, which report them.
    connection.on('error', () => {})
    return connection
  } catch (cause) {
    throw toRabbitError(cause)
  }
}

/** Sets a heartbeat of 20 s. A silent broker is detected within 40 s. */
function withHeartbeat(url: string): string {
  const parsed = new URL(url)
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', '20')
  return parsed.href
}

/** Converts an error of the client. */
export function toRabbitError(cause: unknown): SpanwireError {
  if (isSpanwireError(cause)) return cause
  const { code } = membersOf(cause)
  const message = messageOf(cause)
  if (code === 404)
    return new SpanwireError('broker-refused', `RabbitMQ: ${message}. Create it, then restart the relay.`, { cause })
  if (code === 403 && !/ACCESS[_-]REFUSED/.test(message))
    return new SpanwireError('broker-refused', `RabbitMQ: ${message}.`, { cause })
  if (code === 403 || /ACCESS[_-]REFUSED|403/.test(message))
    return new SpanwireError('authentication-failed', `RabbitMQ refuses the user: ${message}`, { cause })
  return new SpanwireError('broker-unavailable', `RabbitMQ: ${message}`, { cause })
}
