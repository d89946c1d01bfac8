import { FlushBarrier } from './shared-upstream.ts'
import type { EndSubscription, Upstream, UpstreamMessage } from './upstream.ts'

/** A span of the bridge that has begun. */
export interface BridgeSpan {
  /** The value of `traceparent` that makes it the parent of the next span. */
  readonly traceparent: string
  /** @param error the reason of a failure */
  end(error?: unknown): void
}

/**
 * Creates spans. `bridgeSpans` of `spanwire/opentelemetry` implements it.
 *
 * - `publish`: from a message of a client until NATS has confirmed it.
 * - `deliver`: from a message of NATS until it was handed to the sockets of clients.
 */
export interface BridgeSpans {
  /** Begins a span. Called for sampled traces only. Must not throw. */
  start(kind: 'publish' | 'deliver', subject: string, traceparent: string): BridgeSpan
}

/** `traceparent: 00-<trace id>-<span id>-<flags>`. Source: W3C Trace Context, "traceparent Header". */
const TRACEPARENT = /^traceparent: ?(00-[\da-f]{32}-[\da-f]{16}-[\da-f]{2})\r\n/i
const NAME_LENGTH = 'traceparent'.length
const LENGTH = 55
const [LINE_END, COLON, LETTER_T] = [10, 58, 116]

const decoder = new TextDecoder('latin1')
const encoder = new TextEncoder()

/** Where a header block has its `traceparent`, if the trace is sampled. Most blocks have none, so only its line is decoded. */
function findTraceparent(headers: Uint8Array): { readonly at: number; readonly text: string } | undefined {
  for (let end = headers.indexOf(LINE_END); end >= 0; end = headers.indexOf(LINE_END, end + 1)) {
    const start = end + 1
    // `| 32` makes an ASCII letter lower case.
    if (headers[start + NAME_LENGTH] !== COLON || ((headers[start] ?? 0) | 32) !== LETTER_T) continue
    const found = TRACEPARENT.exec(decoder.decode(headers.subarray(start, start + NAME_LENGTH + LENGTH + 4)))
    const text = found?.[1]
    if (!found || text === undefined) continue
    // The last digit holds the flag "sampled".
    if ((Number.parseInt(text.slice(-1), 16) & 1) === 0) return undefined
    return { at: start + found[0].length - 2 - LENGTH, text }
  }
  return undefined
}

/**
 * An upstream with spans for messages of sampled traces, so that a trace from a publisher to a handler shows the bridge. Each
 * span becomes the parent of the next one: its id replaces the one in the message. A message without headers costs one
 * check.
 * @param afterTurn runs a function after messages of this turn were handed to the sockets
 */
export function traceUpstream(upstream: Upstream, spans: BridgeSpans, afterTurn: (run: () => void) => void): Upstream {
  const barrier = new FlushBarrier(() => upstream.flush())
  /** The message with its span as parent, and the span. Undefined without a sampled trace. */
  const begin = (kind: 'publish' | 'deliver', message: UpstreamMessage) => {
    const parent = message.headers && findTraceparent(message.headers)
    if (!message.headers || !parent) return undefined
    const span = spans.start(kind, message.subject, parent.text)
    const headers = message.headers.slice()
    const own = encoder.encode(span.traceparent)
    if (own.length === LENGTH) headers.set(own, parent.at)
    return { span, message: { ...message, headers } }
  }
  return {
    get state() {
      return upstream.state
    },
    get info() {
      return upstream.info
    },
    onState: (listener) => upstream.onState(listener),
    subscribe(filter, queue, deliver): EndSubscription {
      return upstream.subscribe(filter, queue, (message) => {
        const traced = begin('deliver', message)
        if (!traced) return deliver(message)
        deliver(traced.message)
        afterTurn(() => traced.span.end())
      })
    },
    publish(message) {
      const traced = begin('publish', message)
      if (!traced) return upstream.publish(message)
      try {
        upstream.publish(traced.message)
      } catch (error) {
        traced.span.end(error)
        throw error
      }
      // Spans of one round trip end together. They also end if NATS becomes unavailable.
      const confirmed = barrier.confirm(barrier.register())
      if (confirmed) void confirmed.then(() => traced.span.end())
      else traced.span.end()
    },
    flush: () => upstream.flush(),
    ...(upstream.branch && { branch: () => traceUpstream(upstream.branch?.() ?? upstream, spans, afterTurn) }),
    close: () => upstream.close(),
  }
}
