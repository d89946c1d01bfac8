import { Hono } from 'hono'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import type { HostBindings } from './connect-route.ts'
import { EventFeed } from './event-feed.ts'
import { readEventsQuery } from './events-query.ts'
import type { FindToken } from './find-token.ts'
import { readHub } from './hub-client.ts'
import type { DialHub, HubLine } from './hub-line.ts'
import { answerHead, encodeSse, retryAfter, SseBody, sseResponse } from './sse-body.ts'

/** Time for the hub to confirm all subscriptions, in ms. */
const PATIENCE = 10_000
/** Mean delay before a browser reconnects after a temporary refusal, in ms. */
const RETRY_LATER = 5_000

/**
 * `GET /events?subject=a&subject=b&from=…`: Server-Sent Events for a browser's EventSource; see ../PROTOCOL.md, HTTP.
 * @param findToken may read the URL
 */
export function eventsRoute(dial: DialHub, findToken: FindToken): Hono<{ Bindings: HostBindings }> {
  const app = new Hono<{ Bindings: HostBindings }>()

  app.get('/', async (c) => {
    const query = readEventsQuery(c)
    const token = findToken(c)
    const head = answerHead(c)
    if (head) return head
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
      const isTemporary = isSpanwireError(error, 'upstream-unavailable') || isSpanwireError(error, 'rate-limited')
      if (line && query.isReconnect && isTemporary) {
        // An EventSource stops reconnecting after any status other than 200.
        const event = encodeSse(JSON.stringify({ code: error.code, detail: error.message }), 'error')
        body.write(retryAfter(RETRY_LATER) + event)
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
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new SpanwireError('upstream-unavailable', `The hub did not answer within ${PATIENCE} ms. Try again.`)
    timer = setTimeout(() => reject(error), PATIENCE)
  })
  await Promise.race([accepted, late]).finally(() => clearTimeout(timer))
}
