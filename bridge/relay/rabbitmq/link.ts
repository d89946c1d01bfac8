import type { ChannelModel } from 'amqplib'
import { isSpanwireError, SpanwireError } from '../../../sdk/wire/errors.ts'

/** In ms. */
const CONNECT_TIMEOUT = 5_000

/** @throws SpanwireError `unsupported`, `broker-unavailable`, `authentication-failed` */
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
    // What goes wrong later ends the channels, which report it.
    connection.on('error', () => {})
    return connection
  } catch (cause) {
    throw toRabbitError(cause)
  }
}

/** A broker that is silent for 20 to 40 s is gone. */
function withHeartbeat(url: string): string {
  const parsed = new URL(url)
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', '20')
  return parsed.href
}

/** An error of the client as one of Spanwire's. */
export function toRabbitError(cause: unknown): SpanwireError {
  if (isSpanwireError(cause)) return cause
  const { code, message = String(cause) } = Object(cause) as { code?: unknown; message?: string }
  if (code === 404)
    return new SpanwireError('broker-refused', `RabbitMQ: ${message}. Make it, then try again.`, { cause })
  if (code === 403 && !/ACCESS[_-]REFUSED/.test(message))
    return new SpanwireError('broker-refused', `RabbitMQ: ${message}.`, { cause })
  if (code === 403 || /ACCESS[_-]REFUSED|403/.test(message))
    return new SpanwireError('authentication-failed', `RabbitMQ refuses the user: ${message}`, { cause })
  return new SpanwireError('broker-unavailable', `RabbitMQ: ${message}`, { cause })
}
