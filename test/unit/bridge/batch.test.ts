import { describe, expect, it } from 'vitest'
import { Batch } from '../../../bridge/hub/batch.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (batch: Batch) => new TextDecoder().decode(batch.join())

describe('Batch', () => {
  it('is one object, joined once, for clients that get the same frames', () => {
    const [a, b] = [bytes('a'), bytes('b')]
    const empty = Batch.empty()
    const first = empty.with(a).with(b)
    const second = empty.with(a).with(b)
    expect(second).toBe(first)
    expect(second.join()).toBe(first.join())
    expect(text(first)).toBe('ab')
  })

  it('is the frame itself, uncopied, when it holds one', () => {
    const frame = bytes('a')
    expect(Batch.empty().with(frame).join()).toBe(frame)
  })

  it('keeps clients apart that get different frames', () => {
    const [a, b, c] = [bytes('a'), bytes('b'), bytes('c')]
    const empty = Batch.empty()
    const one = empty.with(a)
    const two = empty.with(a)
    expect(text(one.with(b))).toBe('ab')
    expect(text(two.with(c))).toBe('ac')
    expect(text(one.with(b).with(c))).toBe('abc')
  })
})
