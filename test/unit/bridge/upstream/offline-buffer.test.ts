import { describe, expect, it } from 'vitest'
import { OfflineBuffer } from '../../../../bridge/upstream/offline-buffer.ts'

const message = (subject: string, size: number) => ({ subject, payload: new Uint8Array(size) })

describe('OfflineBuffer', () => {
  it('returns its messages once and in order', () => {
    const buffer = new OfflineBuffer(10_000)
    for (const subject of ['a', 'b', 'c']) buffer.add(message(subject, 10), 10)
    expect(buffer.drain().map(({ subject }) => subject)).toEqual(['a', 'b', 'c'])
    expect(buffer.drain()).toEqual([])
  })

  it('rejects a message without room, and has room again once it is empty', () => {
    const buffer = new OfflineBuffer(2_000)
    buffer.add(message('a', 1_500), 1_500)
    expect(() => buffer.add(message('b', 1_500), 1_500)).toThrow(
      expect.objectContaining({ code: 'upstream-unavailable' }),
    )
    expect(buffer.drain()).toHaveLength(1)
    buffer.add(message('b', 1_500), 1_500)
  })

  it('bounds empty messages', () => {
    const buffer = new OfflineBuffer(10_000)
    expect(() => {
      for (let i = 0; i < 1_000; i++) buffer.add(message('a', 0), 0)
    }).toThrow(expect.objectContaining({ code: 'upstream-unavailable' }))
  })

  it('does not keep the received chunk of a payload alive', () => {
    const buffer = new OfflineBuffer(10_000)
    const chunk = new Uint8Array(1_000_000)
    buffer.add({ subject: 'a', payload: chunk.subarray(0, 3), headers: chunk.subarray(3, 6) }, 6)
    expect(buffer.drain()[0]?.payload.buffer.byteLength).toBe(3)
  })
})
