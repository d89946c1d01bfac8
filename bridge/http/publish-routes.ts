import { Hono } from 'hono'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { NATS_HEADERS } from '../../sdk/wire/header-names.ts'
import type { Identity } from '../auth/identity.ts'
import { toClientHeaders } from '../delivery/client-headers.ts'
import { toClientAnswer } from '../delivery/server-answers.ts'
import type { HubCore } from '../hub/hub-core.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { isBlank, parseLine, splitLines } from './batch-line.ts'
import { readBody } from './body.ts'
import { checkBatch, checkContract } from './contract-check.ts'
import { type BridgeEnv, respond } from './identify.ts'
import { publishToStream } from './publish-ack.ts'
import { copyParts, encodeParts } from './response-body.ts'
import { httpScope, readReplyHeaders, readSubmission, toMessage, writeNatsHeaders } from './submission.ts'

/** Lines of one batch, also empty ones. A caller with more sends several batches. */
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
    const message = toMessage(await readSubmission(c, c.req.param('subject'), hub), identity, hub)
    await checkContract(hub, identity, message)
    if ((await hub.streams.find(message.subject, identity.user)) !== undefined)
      return c.json(await publishToStream(hub, message, identity))
    await confirmed(hub, () => hub.publish(message, identity.user))
    return c.json({}, 202)
  })

  app.post('/', async (c) => {
    const { maxBody, maxPayload, bodyTimeout: timeout } = hub.limits
    const identity = c.get('identity')
    const body = await readBody(c, { max: Math.max(maxBody, maxPayload), timeout, memory: c.get('memory') })
    const messages = await checkBatch(hub, identity, readBatch(body, identity, hub))
    const captured = await capturedSubjects(hub, messages, identity.user)
    let results: Array<object | Promise<object>> = []
    // All messages are sent before the first acknowledgement is awaited.
    await confirmed(hub, () => {
      let operation = 0
      results = messages.map((message) => {
        try {
          if (isSpanwireError(message)) throw message
          if (!captured.has(message.subject)) operation = hub.publish(message, identity.user)
          else return publishToStream(hub, message, identity).then((ack) => ({ ok: true, ...ack }), toRefusal)
          return { ok: true }
        } catch (error) {
          return toRefusal(error)
        }
      })
      return operation
    })
    const lines = (await Promise.all(results)).map((result) => `${JSON.stringify(result)}\n`)
    return respond(c, encodeParts(lines), 'application/x-ndjson')
  })

  return app
}

/** `POST /request/:subject?timeout=ms`: publishes the body as a request, and responds with the payload of the first reply. */
export function requestRoutes(hub: HubCore): Hono<BridgeEnv> {
  const app = new Hono<BridgeEnv>()

  app.post('/:subject', async (c) => {
    const identity = c.get('identity')
    const message = toMessage(await readSubmission(c, c.req.param('subject'), hub), identity, hub)
    await checkContract(hub, identity, message)
    const requested = hub.requests.request(message, readTimeout(c.req.query('timeout')), c.req.raw.signal)
    const reply = await Promise.race([requested, c.get('memory').evicted])
    if (readReplyHeaders(reply.headers).status === 503) {
      throw new SpanwireError('no-responders', `${c.req.param('subject')} has no responder.`)
    }
    const scope = httpScope(identity)
    const natsHeaders = writeNatsHeaders(reply.headers && toClientHeaders(reply.headers, scope))
    if (natsHeaders) c.header(NATS_HEADERS, natsHeaders)
    const json = c.req.header('Content-Type')?.startsWith('application/json')
    const payload = copyParts(toClientAnswer(reply.payload, scope))
    return respond(c, payload, json ? 'application/json' : 'application/octet-stream')
  })

  return app
}

/**
 * The message or the error of each line. Every line counts for the user's rate, also a refused or empty one, because reading
 * it takes time. The lookup of streams is later, because it costs more than a message.
 * @throws SpanwireError `invalid-argument`
 */
function readBatch(body: Uint8Array, identity: Identity, hub: HubCore): Array<UpstreamMessage | SpanwireError> {
  const lines = splitLines(body, MAX_LINES)
  if (!lines) {
    hub.users.meter(identity.user, body.length)
    throw new SpanwireError('invalid-argument', `A batch has at most ${MAX_LINES} lines: send several batches.`)
  }
  return lines.flatMap((line) => {
    const message = isBlank(line) ? undefined : attempt(() => toMessage(parseLine(line), identity, hub))
    // A message was counted with its headers.
    if (message === undefined || message instanceof SpanwireError) hub.users.meter(identity.user, line.length)
    return message ?? []
  })
}

/** The subjects of a batch that streams capture. */
async function capturedSubjects(
  hub: HubCore,
  messages: ReadonlyArray<UpstreamMessage | SpanwireError>,
  user: string,
): Promise<Set<string>> {
  const subjects = new Set(messages.flatMap((one) => (isSpanwireError(one) ? [] : [one.subject])))
  const captured = new Set<string>()
  await Promise.all(
    [...subjects].map(async (subject) => {
      if ((await hub.streams.find(subject, user)) !== undefined) captured.add(subject)
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
  const { code, message: detail, issues } = error
  return { ok: false, code, detail, ...(issues && { issues }) }
}

/** Publishes, and waits until NATS has processed it. @throws SpanwireError (as rejection) `upstream-unavailable` */
async function confirmed(hub: HubCore, publish: () => number): Promise<void> {
  const unavailable = () => new SpanwireError('upstream-unavailable', 'NATS is unavailable at the moment. Try again.')
  if (!hub.upstreamOpen) throw unavailable()
  await hub.upstream.confirm(publish())
  if (!hub.upstreamOpen) throw unavailable()
}

function readTimeout(text: string | undefined): number {
  if (text === undefined) return DEFAULT_TIMEOUT
  const timeout = Number(text)
  if (!/^\d{1,9}$/.test(text) || timeout < 1 || timeout > MAX_TIMEOUT) {
    throw new SpanwireError('invalid-argument', `timeout must be a whole number of ms from 1 to ${MAX_TIMEOUT}.`)
  }
  return timeout
}
