import { describe, expect, it } from 'vitest'
import { Batch } from '../../../../bridge/delivery/batch.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (batch: Batch) => new TextDecoder().decode(batch.join())

describe('Batch', () => {
  it('is shared by clients that get the same frames', () => {
    const [a, b] = [bytes('a'), bytes('b')]
    const empty = Batch.empty()
    const first = empty.with(a).with(b)
    const second = empty.with(a).with(b)
    expect(second).toBe(first)
    expect(second.join()).toBe(first.join())
    expect(text(first)).toBe('ab')
  })

  it('is joined once for all sockets with the same allocator', () => {
    const batch = Batch.empty().with(bytes('a')).with(bytes('b'))
    const allocate = (length: number) => bytes('#'.repeat(length + 2))
    expect(new TextDecoder().decode(batch.join(allocate))).toBe('##ab')
    expect(batch.join(allocate)).toBe(batch.join(allocate))
    expect(text(batch)).toBe('ab')
  })

  it('has exactly the memory of its bytes', () => {
    const block = bytes('xax')
    const joined = Batch.of(block.subarray(1, 2)).join()
    expect(joined.buffer.byteLength).toBe(1)
    block.fill(0)
    expect(joined).toEqual(bytes('a'))
  })

  it('is not shared by clients that get different frames', () => {
    const [a, b, c] = [bytes('a'), bytes('b'), bytes('c')]
    const empty = Batch.empty()
    const one = empty.with(a)
    const two = empty.with(a)
    expect(text(one.with(b))).toBe('ab')
    expect(text(two.with(c))).toBe('ac')
    expect(text(one.with(b).with(c))).toBe('abc')
  })
})
