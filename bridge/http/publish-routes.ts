import { Hono } from 'hono'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { NATS_HEADERS } from '../../sdk/wire/header-names.ts'
import { toClientHeaders } from '../delivery/client-headers.ts'
import { toClientAnswer } from '../delivery/server-answers.ts'
import type { HubCore } from '../hub/hub-core.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import type { BridgeEnv } from './identify.ts'
import { publishToStream } from './publish-ack.ts'
import {
  checkHeaders,
  EXPECTATIONS,
  httpScope,
  readExpectation,
  readReplyHeaders,
  readSubmission,
  type Submission,
  toMessage,
  writeNatsHeaders,
} from './submission.ts'

/** Lines of one batch. A caller with more sends several batches. */
const MAX_LINES = 10_000
/** Timeout of a request, in ms. The largest is well below the 100 s after which middleboxes cut connections. */
const DEFAULT_TIMEOUT = 5_000
const MAX_TIMEOUT = 60_000

/**
 * `POST /publish/:subject`: the body is the payload.
 * `POST /publish`: a batch, one JSON object per line (NDJSON):
 * `{ "subject", "data" | "base64", "id"?, "headers"?, "expectLastSeq"?, "expectLastSubjectSeq"? }`. The response has one
 * line for each, in the same order.
 *
 * Responds once NATS has processed the messages, or once the streams that capture them have stored them.
 */
export function publishRoutes(hub: HubCore): Hono<BridgeEnv> {
  const app = new Hono<BridgeEnv>()

  app.post('/:subject', async (c) => {
    const identity = c.get('identity')
    const message = toMessage(await readSubmission(c, c.req.param('subject')), identity, hub)
    if ((await hub.streams.find(message.subject)) !== undefined)
      return c.json(await publishToStream(hub, message, identity))
    await confirmed(hub, () => hub.publish(message))
    return c.json({}, 202)
  })

  app.post('/', async (c) => {
    const lines = (await c.req.text()).split('\n').filter((line) => line.trim() !== '')
    if (lines.length > MAX_LINES)
      throw new SpanwireError(
        'invalid-argument',
        `This batch has ${lines.length} lines. At most ${MAX_LINES} are allowed: send several batches.`,
      )
    const identity = c.get('identity')
    // Checked before the lookup of streams, which costs more than a message.
    const messages = lines.map((line) => attempt(() => toMessage(parseLine(line), identity, hub)))
    const captured = await capturedSubjects(hub, messages)
    let results: Array<object | Promise<object>> = []
    // All messages are sent before the first acknowledgement is awaited.
    await confirmed(hub, () => {
      let operation = 0
      results = messages.map((message) => {
        try {
          if (isSpanwireError(message)) throw message
          if (!captured.has(message.subject)) operation = hub.publish(message)
          else return publishToStream(hub, message, identity).then((ack) => ({ ok: true, ...ack }), toRefusal)
          return { ok: true }
        } catch (error) {
          return toRefusal(error)
        }
      })
      return operation
    })
    const text = (await Promise.all(results)).map((result) => `${JSON.stringify(result)}\n`).join('')
    return c.body(text, 200, { 'Content-Type': 'application/x-ndjson' })
  })

  return app
}

/** `POST /request/:subject?timeout=ms`: publishes the body as a request, and responds with the payload of the first reply. */
export function requestRoutes(hub: HubCore): Hono<BridgeEnv> {
  const app = new Hono<BridgeEnv>()

  app.post('/:subject', async (c) => {
    const identity = c.get('identity')
    const message = toMessage(await readSubmission(c, c.req.param('subject')), identity, hub)
    const reply = await hub.requests.request(message, readTimeout(c.req.query('timeout')), c.req.raw.signal)
    if (readReplyHeaders(reply.headers).status === 503) {
      throw new SpanwireError('no-responders', `${c.req.param('subject')} has no responder.`)
    }
    const scope = httpScope(identity)
    const natsHeaders = writeNatsHeaders(reply.headers && toClientHeaders(reply.headers, scope))
    if (natsHeaders) c.header(NATS_HEADERS, natsHeaders)
    const json = c.req.header('Content-Type')?.startsWith('application/json')
    return c.body(Uint8Array.from(toClientAnswer(reply.payload, scope)), 200, {
      'Content-Type': json ? 'application/json' : 'application/octet-stream',
    })
  })

  return app
}

/** The subjects of a batch that streams capture. */
async function capturedSubjects(
  hub: HubCore,
  messages: ReadonlyArray<UpstreamMessage | SpanwireError>,
): Promise<Set<string>> {
  const subjects = new Set(messages.flatMap((one) => (isSpanwireError(one) ? [] : [one.subject])))
  const captured = new Set<string>()
  await Promise.all(
    [...subjects].map(async (subject) => {
      if ((await hub.streams.find(subject)) !== undefined) captured.add(subject)
    }),
  )
  return captured
}

function attempt<T>(run: () => T): T | SpanwireError {
  try {
    return run()
  } catch (error) {
    if (isSpanwireError(error)) return error
    throw error
  }
}

function toRefusal(error: unknown): object {
  if (!isSpanwireError(error)) throw error
  return { ok: false, code: error.code, detail: error.message }
}

/** Publishes, and waits until NATS has processed it. @throws SpanwireError (as rejection) `upstream-unavailable` */
async function confirmed(hub: HubCore, publish: () => number): Promise<void> {
  const unavailable = () => new SpanwireError('upstream-unavailable', 'NATS is unavailable at the moment. Try again.')
  if (!hub.upstreamOpen) throw unavailable()
  await hub.upstream.confirm(publish())
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
  const expectations = [value.expectLastSeq, value.expectLastSubjectSeq].flatMap((seq, index) =>
    seq === undefined ? [] : [readExpectation(EXPECTATIONS[index] as string, String(seq))],
  )
  return { subject, payload: toPayload(data, base64), headers: [...checkHeaders(headers ?? []), ...expectations], id }
}

/** JSON.stringify throws for values that are nested too deeply. */
function toPayload(data: unknown, base64: unknown): Uint8Array {
  try {
    if (base64 === undefined) return new TextEncoder().encode(data === undefined ? '' : JSON.stringify(data))
    return Uint8Array.from(atob(String(base64)), (character) => character.charCodeAt(0))
  } catch (cause) {
    throw new SpanwireError('invalid-data', '"base64" is not base64, or "data" is nested too deeply.', { cause })
  }
}

function readTimeout(text: string | undefined): number {
  if (text === undefined) return DEFAULT_TIMEOUT
  const timeout = Number(text)
  if (!Number.isInteger(timeout) || timeout < 1 || timeout > MAX_TIMEOUT) {
    throw new SpanwireError('invalid-argument', `timeout must be a whole number of ms from 1 to ${MAX_TIMEOUT}.`)
  }
  return timeout
}
