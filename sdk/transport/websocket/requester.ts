/** Requests over a transport that can publish and subscribe: loaded with the first request. */
import { createDeferred, type Deferred } from '../../kit/deferred.ts'
import { randomToken } from '../../kit/ids.ts'
import { MAX_TIMER } from '../../kit/max-timer.ts'
import { SpanwireError } from '../../wire/errors.ts'
import { checkAnswer, timedOut } from '../answer.ts'
import { onAbort } from '../checks.ts'
import type { Transport, TransportMessage } from '../transport.ts'

/** A request without an answer. */
interface OpenRequest extends Deferred<TransportMessage> {
  /** The server has processed it. If the connection is lost now, the answer is also lost. */
  sent?: boolean
}

/** Returns `request` for a transport. One subscription receives all answers. */
export function createRequester(transport: Transport): Transport['request'] {
  // 133 bits: other clients cannot guess the inbox.
  const prefix = `_INBOX.${randomToken(26)}.`
  /** Open requests by the subject of their answer. */
  const requests = new Map<string, OpenRequest>()
  let isSubscribed = false
  let count = 0

  const failAll = (error: Error, sentOnly?: boolean) => {
    for (const { sent, reject } of requests.values()) if (sent || !sentOnly) reject(error)
  }
  transport.onStatus(({ state, reason }) => {
    // A bridge that has lost NATS keeps the inbox. The answer may still arrive.
    if (state === 'open' || state === 'closed' || reason?.code === 'upstream-unavailable') return
    failAll(
      new SpanwireError(
        'connection-lost',
        'The connection was lost before the answer arrived: the request may have been processed.',
      ),
      true,
    )
  })

  function subscribe(): void {
    if (isSubscribed) return
    isSubscribed = true
    transport.subscribe(`${prefix}*`, {
      // Late answers are dropped.
      message: (message) => requests.get(message.subject)?.resolve(message),
      ended(error) {
        isSubscribed = false
        failAll(error)
      },
    })
  }

  return async (subject, payload, { timeout, signal, headers = [] }) => {
    subscribe()
    const reply = prefix + count++
    const own: OpenRequest = createDeferred<TransportMessage>()
    requests.set(reply, own)
    // Removes the request from the offline queue.
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
      requests.delete(reply)
      clearTimeout(timer)
      release()
      over.abort()
    }
  }
}
