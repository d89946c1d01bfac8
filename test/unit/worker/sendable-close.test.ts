import { describe, expect, it } from 'vitest'
import { toSendableClose } from '../../../worker/sendable-close.ts'

describe('toSendableClose', () => {
  it.each([1000, 1001, 1008, 1012, 3000, 4999])('keeps code %i', (code) =>
    expect(toSendableClose(code, 'why')).toEqual([code, 'why']),
  )

  it.each([0, 999, 1004, 1005, 1006, 1015, 2999, 5000])('returns 1000 for %i, which must not be sent', (code) =>
    expect(toSendableClose(code, '')).toEqual([1000, '']),
  )

  it('truncates the reason to 123 bytes at a character', () => {
    expect(toSendableClose(1000, 'x'.repeat(200))[1]).toBe('x'.repeat(123))
    expect(toSendableClose(1000, 'ü'.repeat(100))[1]).toBe('ü'.repeat(61))
  })
})
