/** Requests over a transport that can only publish and subscribe: loaded when the first is made. */
import { randomToken } from '../../kit/ids.ts'
import { MAX_TIMER } from '../../kit/max-timer.ts'
import { SpanwireError } from '../../wire/errors.ts'
import { checkAnswer, timedOut } from '../answer.ts'
import { onAbort } from '../checks.ts'
import type { Transport, TransportMessage } from '../transport.ts'

/** A request that waits for its answer. */
interface Asking extends PromiseWithResolvers<TransportMessage> {
  /** The server has it: if the connection is lost now, the answer is lost with it. */
  sent?: boolean
}

/** Makes `request` of a transport from the rest of it. All answers come in through one subscription. */
export function createRequester(transport: Transport): Transport['request'] {
  // Nobody who doesn't know the token can listen in; 133 bits.
  const prefix = `_INBOX.${randomToken(26)}.`
  /** By the subject of the answer. */
  const asking = new Map<string, Asking>()
  let listening = false
  let count = 0

  const failAll = (error: Error, sentOnly?: boolean) => {
    for (const { sent, reject } of asking.values()) if (sent || !sentOnly) reject(error)
  }
  transport.onStatus(({ state, reason }) => {
    // A bridge that has lost NATS keeps the inbox: the answer may still come.
    if (state === 'open' || state === 'closed' || reason?.code === 'upstream-unavailable') return
    failAll(new SpanwireError('connection-lost', 'Lost before the answer came: it may have been carried out.'), true)
  })

  function listen(): void {
    if (listening) return
    listening = true
    transport.subscribe(`${prefix}*`, {
      // One that nobody waits for is dropped.
      message: (message) => asking.get(message.subject)?.resolve(message),
      ended(error) {
        listening = false
        failAll(error)
      },
    })
  }

  return async (subject, payload, { timeout, signal, headers = [] }) => {
    listen()
    const reply = prefix + count++
    const own: Asking = Promise.withResolvers<TransportMessage>()
    asking.set(reply, own)
    // Takes it back if it wasn't sent yet.
    const over = new AbortController()
    const release = onAbort(signal, own.reject)
    const timer = setTimeout(
      () => own.reject(timedOut(subject, timeout, transport.status)),
      Math.min(timeout, MAX_TIMER),
    )
    if (!signal?.aborted)
      transport.publish(subject, payload, { reply, headers, signal: over.signal }).then(() => {
        own.sent = true
      }, own.reject)
    try {
      return checkAnswer(await own.promise, subject)
    } finally {
      asking.delete(reply)
      clearTimeout(timer)
      release()
      over.abort()
    }
  }
}
