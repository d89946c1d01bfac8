import { describe, expect, it } from 'vitest'
import { toSendableClose } from '../../../worker/closing.ts'

describe('the answer to a close', () => {
  it.each([1000, 1001, 1008, 1012, 3000, 4999])('is code %i itself', (code) =>
    expect(toSendableClose(code, 'why')).toEqual([code, 'why']),
  )

  it.each([0, 999, 1004, 1005, 1006, 1015, 2999, 5000])('is 1000 for %i, which can not be sent', (code) =>
    expect(toSendableClose(code, '')).toEqual([1000, '']),
  )

  it('has a reason of at most 123 bytes, and no half characters', () => {
    expect(toSendableClose(1000, 'x'.repeat(200))[1]).toBe('x'.repeat(123))
    expect(toSendableClose(1000, 'ü'.repeat(100))[1]).toBe('ü'.repeat(61))
  })
})
