import { Hono } from 'hono'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import type { Hub } from '../hub/hub.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import type { BridgeEnv } from './identify.ts'
import { checkHeaders, EXPECTATIONS, readExpectation, readSubmission, type Submission, toMessage } from './message.ts'
import { publishToStream } from './publish-ack.ts'

/** Lines of one batch. Each may cost a publish: a caller with more sends several batches. */
const MAX_LINES = 10_000

/**
 * `POST /publish/:subject`: the body is the payload.
 * `POST /publish`: a batch, one JSON object per line (NDJSON):
 * `{ "subject", "data" | "base64", "id"?, "headers"?, "expectLastSeq"?, "expectLastSubjectSeq"? }`; the answer has one
 * line for each, in order.
 *
 * Answered once NATS has processed the messages; those that a stream captures, once the stream has them.
 */
export function publishRoutes(hub: Hub): Hono<BridgeEnv> {
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
      throw new SpanwireError('invalid-argument', `A batch has at most ${MAX_LINES} lines; send several.`)
    const identity = c.get('identity')
    // Checked and counted before anything is asked of NATS: a question for each subject costs more than its message.
    const messages = lines.map((line) => attempt(() => toMessage(parseLine(line), identity, hub)))
    const captured = await captures(hub, messages)
    let results: Array<object | Promise<object>> = []
    // All are sent before the first answer is waited for.
    await confirmed(hub, () => {
      let mark = 0
      results = messages.map((message) => {
        try {
          if (isSpanwireError(message)) throw message
          if (!captured.has(message.subject)) mark = hub.publish(message)
          else return publishToStream(hub, message, identity).then((ack) => ({ ok: true, ...ack }), toRefusal)
          return { ok: true }
        } catch (error) {
          return toRefusal(error)
        }
      })
      return mark
    })
    const text = (await Promise.all(results)).map((result) => `${JSON.stringify(result)}\n`).join('')
    return c.body(text, 200, { 'Content-Type': 'application/x-ndjson' })
  })

  return app
}

/** The subjects of a batch that streams capture. */
async function captures(hub: Hub, messages: ReadonlyArray<UpstreamMessage | SpanwireError>): Promise<Set<string>> {
  const subjects = new Set(messages.flatMap((one) => (isSpanwireError(one) ? [] : [one.subject])))
  const found = new Set<string>()
  await Promise.all(
    [...subjects].map(async (subject) => {
      if ((await hub.streams.find(subject)) !== undefined) found.add(subject)
    }),
  )
  return found
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
  const expectations = [value.expectLastSeq, value.expectLastSubjectSeq].flatMap((seq, index) =>
    seq === undefined ? [] : [readExpectation(EXPECTATIONS[index] as string, String(seq))],
  )
  return { subject, payload: toPayload(data, base64), headers: [...checkHeaders(headers ?? []), ...expectations], id }
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
