import { Hono } from 'hono'
import { SpanwireError } from '../../sdk/errors.ts'
import type { Identity } from '../auth/identity.ts'
import type { Hub } from '../hub/hub.ts'
import type { BridgeEnv } from './identify.ts'
import { checkHeaders, readSubmission, type Submission, toMessage } from './message.ts'

/** Lines of one batch. Each may cost a publish: a caller with more sends several batches. */
const MAX_LINES = 10_000

/**
 * `POST /publish/:subject`: the body is the payload.
 * `POST /publish`: a batch, one JSON object per line (NDJSON):
 * `{ "subject", "data" | "base64", "id"?, "headers"? }`; the answer has one line for each, in order.
 *
 * Answered once NATS has processed the messages.
 */
export function publishRoutes(hub: Hub): Hono<BridgeEnv> {
  const app = new Hono<BridgeEnv>()

  app.post('/:subject', async (c) => {
    const message = toMessage(await readSubmission(c, c.req.param('subject')), c.get('identity'), hub)
    await confirmed(hub, () => hub.publish(message))
    return c.json({}, 202)
  })

  app.post('/', async (c) => {
    const lines = (await c.req.text()).split('\n').filter((line) => line.trim() !== '')
    if (lines.length > MAX_LINES)
      throw new SpanwireError('invalid-argument', `A batch has at most ${MAX_LINES} lines; send several.`)
    let results: object[] = []
    await confirmed(hub, () => {
      let mark = 0
      results = lines.map((line) => {
        try {
          mark = hub.publish(toMessage(parseLine(line), c.get('identity') as Identity, hub))
          return { ok: true }
        } catch (error) {
          if (!(error instanceof SpanwireError)) throw error
          return { ok: false, code: error.code, detail: error.message }
        }
      })
      return mark
    })
    return c.body(results.map((result) => `${JSON.stringify(result)}\n`).join(''), 200, {
      'Content-Type': 'application/x-ndjson',
    })
  })

  return app
}

/** Publishes and waits until NATS has it. */
async function confirmed(hub: Hub, publish: () => number): Promise<void> {
  const unavailable = () => new SpanwireError('upstream-unavailable', 'NATS is out of reach for the moment: try again.')
  if (!hub.upstreamOpen) throw unavailable()
  await hub.confirm(publish())
  if (!hub.upstreamOpen) throw unavailable()
}

function parseLine(line: string): Submission {
  let value: Record<string, unknown>
  try {
    value = Object(JSON.parse(line))
  } catch (cause) {
    throw new SpanwireError('invalid-data', 'This line is not JSON.', { cause })
  }
  const { subject, data, base64, id, headers } = value
  if (typeof subject !== 'string') throw new SpanwireError('invalid-subject', 'A line needs a "subject".')
  if (id !== undefined && typeof id !== 'string') throw new SpanwireError('invalid-argument', '"id" must be a string.')
  return { subject, payload: toPayload(data, base64), headers: checkHeaders(headers ?? []), id }
}

function toPayload(data: unknown, base64: unknown): Uint8Array {
  try {
    // Throws for what is nested too deeply, too.
    if (base64 === undefined) return new TextEncoder().encode(data === undefined ? '' : JSON.stringify(data))
    return Uint8Array.from(atob(String(base64)), (character) => character.charCodeAt(0))
  } catch (cause) {
    throw new SpanwireError('invalid-data', '"base64" is not base64, or "data" is nested too deeply.', { cause })
  }
}
