import { Hono } from 'hono'
import { describe, expect, it, vi } from 'vitest'
import { toProblem } from '../../../../bridge/http/problem.ts'
import { isSpanwireError, SpanwireError } from '../../../../sdk/wire/errors.ts'

/** Returns an error of a second copy of the package, such as a duplicate in node_modules. */
async function errorOfAnotherCopy() {
  vi.resetModules()
  const copy = await import('../../../../sdk/wire/errors.ts')
  return new copy.SpanwireError('permission-denied', 'No.')
}

describe('isSpanwireError', () => {
  it('accepts errors of this copy of the package, and compares codes', () => {
    const error = new SpanwireError('timeout', 'Too late.')
    expect(isSpanwireError(error)).toBe(true)
    expect(isSpanwireError(error, 'timeout')).toBe(true)
    expect(isSpanwireError(error, 'aborted')).toBe(false)
  })

  it('accepts errors of another copy, for which instanceof is false', async () => {
    const error = await errorOfAnotherCopy()
    expect(error).not.toBeInstanceOf(SpanwireError)
    expect(isSpanwireError(error)).toBe(true)
    expect(isSpanwireError(error, 'permission-denied')).toBe(true)
    expect(isSpanwireError(error, 'timeout')).toBe(false)
  })

  it.each([undefined, null, 0, '', 'SpanwireError', {}, new Error('no'), { name: 'SpanwireError', code: 'timeout' }])(
    'refuses %o',
    (value) => expect(isSpanwireError(value)).toBe(false),
  )

  it('adds no enumerable property', () => {
    const error = new SpanwireError('timeout', 'Too late.')
    expect(Object.keys(error)).toEqual(['name', 'code'])
  })
})

it('a bridge answers an error of another copy with its own status and code', async () => {
  const error = await errorOfAnotherCopy()
  const app = new Hono()
  app.get('/', () => {
    throw error
  })
  app.onError((cause, c) => toProblem(c, cause))
  const response = await app.request('/')
  expect([response.status, await response.json()]).toMatchObject([403, { code: 'permission-denied' }])
})
