import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createOutbound, type OfflineOptions, type Outgoing } from '../../../../sdk/transport/outbound.ts'
import { StatusCell } from '../../../../sdk/transport/status-cell.ts'
import { SpanwireError } from '../../../../sdk/wire/errors.ts'

interface Message extends Outgoing {
  readonly id: number
}

/** An outbound queue, and a record of its calls. */
function setUp(offline?: OfflineOptions) {
  const cell = new StatusCell('connecting')
  const sent: number[] = []
  const confirmations: number[] = []
  const outbound = createOutbound<Message>(
    cell,
    offline,
    ({ id, size }) => {
      if (size > 1_000) throw new SpanwireError('payload-too-large', 'too large')
      sent.push(id)
    },
    (round) => confirmations.push(round.length),
  )
  const outcomes = new Map<number, string>()
  const publish = (id: number, size: number, signal?: AbortSignal) => {
    outbound
      .publish((settle) => ({ id, size, subject: 'a', settle }), signal)
      .then(
        () => outcomes.set(id, 'confirmed'),
        ({ code }: SpanwireError) => outcomes.set(id, code),
      )
  }
  const open = () => {
    outbound.resume()
    cell.set('open')
  }
  return { cell, outbound, sent, confirmations, outcomes, publish, open }
}

const turn = () => new Promise((resolve) => setTimeout(resolve))

describe('the offline queue', () => {
  it('refuses the oldest by default', async () => {
    const { publish, open, sent, outcomes } = setUp({ maxMessages: 2 })
    for (const id of [1, 2, 3]) publish(id, 1)
    open()
    await turn()
    expect(sent).toEqual([2, 3])
    expect(outcomes).toEqual(new Map([[1, 'offline-queue-full']]))
  })

  it('counts bytes, and refuses a message that is too large by itself', async () => {
    const { publish, open, sent, outcomes } = setUp({ maxBytes: 10 })
    const abort = new AbortController()
    publish(1, 6)
    publish(2, 11)
    publish(3, 6, abort.signal)
    abort.abort()
    publish(4, 10)
    open()
    await turn()
    expect(sent).toEqual([4])
    expect(Object.fromEntries(outcomes)).toEqual({ 1: 'offline-queue-full', 2: 'offline-queue-full', 3: 'aborted' })
  })

  it('refuses the newest with dropPolicy: newest', async () => {
    const { publish, open, sent } = setUp({ maxMessages: 1, whenFull: 'refuse-newest' })
    publish(1, 1)
    publish(2, 1)
    open()
    await turn()
    expect(sent).toEqual([1])
  })

  it('never exceeds its limits, and every message is sent in order or refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(20), { maxLength: 60 }),
        fc.integer({ min: 0, max: 8 }),
        fc.integer({ min: 0, max: 50 }),
        fc.constantFrom('refuse-oldest' as const, 'refuse-newest' as const),
        async (sizes, maxMessages, maxBytes, whenFull) => {
          const { publish, open, sent, outcomes } = setUp({ maxMessages, maxBytes, whenFull })
          for (const [id, size] of sizes.entries()) publish(id, size)
          open()
          await turn()
          expect(sent.length).toBeLessThanOrEqual(maxMessages)
          expect(sent.reduce((sum, id) => sum + (sizes[id] ?? 0), 0)).toBeLessThanOrEqual(maxBytes)
          expect(sent).toEqual(sent.toSorted((a, b) => a - b))
          expect([...sent, ...outcomes.keys()].toSorted((a, b) => a - b)).toEqual([...sizes.keys()])
        },
      ),
    )
  })
})

describe('rounds', () => {
  it('are confirmed in order, each with the messages of one event-loop turn', async () => {
    const { publish, open, outbound, confirmations, outcomes } = setUp()
    open()
    publish(1, 1)
    publish(2, 1)
    await turn()
    publish(3, 1)
    await turn()
    expect(confirmations).toEqual([2, 1])
    for (const pending of outbound.confirmed()) pending.settle()
    await turn()
    expect([...outcomes.keys()]).toEqual([1, 2])
  })

  it('of a lost connection are rejected, and not requested from the next connection', async () => {
    const { publish, open, outbound, confirmations, outcomes, cell } = setUp()
    open()
    publish(1, 1)
    outbound.lost(new SpanwireError('connection-lost', 'lost'))
    cell.set('reconnecting')
    publish(2, 1)
    await turn()
    expect(confirmations).toEqual([])
    open()
    await turn()
    expect(confirmations).toEqual([1])
    expect(outcomes).toEqual(new Map([[1, 'connection-lost']]))
    for (const pending of outbound.confirmed()) pending.settle()
    await turn()
    expect(outcomes.get(2)).toBe('confirmed')
  })

  it('do not include a message that cannot be sent', async () => {
    const { publish, open, outcomes } = setUp()
    publish(1, 2_000)
    open()
    await turn()
    expect(outcomes).toEqual(new Map([[1, 'payload-too-large']]))
  })

  it('a flush waits for a connection, then for its confirmation', async () => {
    const { open, outbound } = setUp()
    let isFlushed = false
    const flushed = outbound.flush().then(() => (isFlushed = true))
    await turn()
    open()
    await turn()
    expect(isFlushed).toBe(false)
    for (const pending of outbound.confirmed()) pending.settle()
    await flushed
  })
})
