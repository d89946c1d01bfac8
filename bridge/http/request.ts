import { Hono } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { NATS_HEADERS } from '../../sdk/wire/header-names.ts'
import type { Hub } from '../hub/hub.ts'
import type { BridgeEnv } from './identify.ts'
import { readReplyHeaders, readSubmission, toMessage, writeNatsHeaders } from './message.ts'

/** In ms. The longest keeps a request well below the 100 s after which middleboxes cut. */
const DEFAULT_TIMEOUT = 5_000
const MAX_TIMEOUT = 60_000

/** `POST /request/:subject?timeout=ms`: publishes the body as a request and answers with the first reply's payload. */
export function requestRoutes(hub: Hub): Hono<BridgeEnv> {
  const app = new Hono<BridgeEnv>()

  app.post('/:subject', async (c) => {
    const message = toMessage(await readSubmission(c, c.req.param('subject')), c.get('identity'), hub)
    const answer = await hub.requests.request(message, readTimeout(c.req.query('timeout')), c.req.raw.signal)
    if (readReplyHeaders(answer.headers).status === 503) {
      throw new SpanwireError('no-responders', `Nobody answers requests to ${c.req.param('subject')} right now.`)
    }
    const natsHeaders = writeNatsHeaders(answer.headers)
    if (natsHeaders) c.header(NATS_HEADERS, natsHeaders)
    const json = c.req.header('Content-Type')?.startsWith('application/json')
    return c.body(Uint8Array.from(answer.payload), 200, {
      'Content-Type': json ? 'application/json' : 'application/octet-stream',
    })
  })

  return app
}

function readTimeout(text: string | undefined): number {
  if (text === undefined) return DEFAULT_TIMEOUT
  const timeout = Number(text)
  if (!/^\d{1,9}$/.test(text) || timeout < 1 || timeout > MAX_TIMEOUT) {
    throw new SpanwireError('invalid-argument', `timeout must be a whole number of ms from 1 to ${MAX_TIMEOUT}.`)
  }
  return timeout
}
