import { describe, expect, it, vi } from 'vitest'
import { type Phase, StatusCell, transition } from '../../../../sdk/transport/status-cell.ts'
import { SpanwireError } from '../../../../sdk/wire/errors.ts'

describe('transitions', () => {
  type Next = Parameters<typeof transition>[1]
  const table: Record<Phase, Record<Next, Phase>> = {
    connecting: { open: 'open', stalled: 'stalled', reconnecting: 'connecting', closed: 'closed' },
    open: { open: 'open', stalled: 'stalled', reconnecting: 'reconnecting', closed: 'closed' },
    stalled: { open: 'open', stalled: 'stalled', reconnecting: 'reconnecting', closed: 'closed' },
    reconnecting: { open: 'open', stalled: 'stalled', reconnecting: 'reconnecting', closed: 'closed' },
    closed: { open: 'closed', stalled: 'closed', reconnecting: 'closed', closed: 'closed' },
  }
  for (const [phase, row] of Object.entries(table)) {
    for (const [next, expected] of Object.entries(row)) {
      it(`${phase}, then ${next}: ${expected}`, () => {
        expect(transition(phase as Phase, next as Next)).toBe(expected)
      })
    }
  }
})

describe('a status', () => {
  it('shows a stalled connection as reconnecting', () => {
    const cell = new StatusCell('connecting')
    cell.set('stalled', new SpanwireError('upstream-unavailable', 'NATS is away.'))
    expect([cell.phase, cell.status]).toEqual([
      'stalled',
      { state: 'reconnecting', reason: { code: 'upstream-unavailable', message: 'NATS is away.' } },
    ])
  })

  it('is reported once for each change of state or reason', () => {
    const cell = new StatusCell('connecting')
    const listener = vi.fn()
    cell.listen(listener)
    const error = new SpanwireError('connection-refused', 'No server answers.')
    cell.set('reconnecting', error)
    cell.set('reconnecting', error)
    cell.set('open')
    cell.set('open')
    expect(listener.mock.calls.map(([{ state }]) => state)).toEqual(['connecting', 'open'])
  })
})
