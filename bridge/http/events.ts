import { Hono } from 'hono'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import type { HostBindings } from './connect.ts'
import type { FindToken } from './credentials.ts'
import { EventFeed } from './event-feed.ts'
import { readEventsQuery } from './events-query.ts'
import { readHub } from './hub-client.ts'
import type { DialHub, HubLine } from './hub-line.ts'
import { encodeSse, retryAfter, SseBody, sseResponse } from './sse-body.ts'

/** How long the hub may take to say that all subscriptions are live, in ms. */
const PATIENCE = 10_000
/** Mean delay before a browser that was refused for a temporary reason reconnects, in ms. */
const RETRY_LATER = 5_000

/**
 * `GET /events?subject=a&subject=b&from=…`: Server-Sent Events for a browser's own EventSource; see ../PROTOCOL.md, HTTP.
 * @param findToken may look into the URL
 */
export function eventsRoute(dial: DialHub, findToken: FindToken): Hono<{ Bindings: HostBindings }> {
  const app = new Hono<{ Bindings: HostBindings }>()

  app.get('/', async (c) => {
    const query = readEventsQuery(c)
    const token = findToken(c)
    let line: HubLine | undefined
    const body = new SseBody(c, () => line?.close())
    try {
      const feed = new EventFeed(query, body)
      line = await dial(c, readHub(feed), { token })
      feed.start(line)
      await inTime(feed.accepted)
      return sseResponse(c, body, line)
    } catch (error) {
      line?.close()
      const temporary = isSpanwireError(error, 'upstream-unavailable') || isSpanwireError(error, 'rate-limited')
      if (line && query.again && temporary) {
        // An EventSource that comes again takes any other answer as the end for good.
        const why = encodeSse(JSON.stringify({ code: error.code, detail: error.message }), 'error')
        body.write(retryAfter(RETRY_LATER) + why)
        body.end()
        return sseResponse(c, body, line)
      }
      body.gone()
      throw error
    }
  })

  return app
}

async function inTime(accepted: Promise<void>): Promise<void> {
  let late: ReturnType<typeof setTimeout> | undefined
  const lateness = new Promise<never>((_, reject) => {
    const error = new SpanwireError('upstream-unavailable', 'The hub takes too long: try again.')
    late = setTimeout(() => reject(error), PATIENCE)
  })
  await Promise.race([accepted, lateness]).finally(() => clearTimeout(late))
}
