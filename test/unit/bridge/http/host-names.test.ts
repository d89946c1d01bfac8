import { describe, expect, it } from 'vitest'
import { allowHostNames, checkHostNames } from '../../../../bridge/http/host-names.ts'
import type { LogEvent } from '../../../../bridge/log/log.ts'
import { bridgeFor } from '../session/scripted-client.ts'

describe('the option hosts', () => {
  const statusOf = async (url: string, options: Parameters<typeof bridgeFor>[0]) =>
    (await bridgeFor(options).bridge.app.request(url)).status

  it.each([
    'http://bridge.example.com/nats',
    'http://bridge.example.com:8222/nats',
    'http://BRIDGE.example.com/nats',
    'http://127.0.0.1:8222/nats',
    'http://[::1]:8222/nats',
    'http://localhost:8222/nats',
    'http://app.localhost/nats',
    'http://app.example.com/nats',
  ])('accepts %s', async (url) => {
    expect(await statusOf(url, { hosts: ['bridge.example.com'], origins: ['https://app.example.com'] })).toBe(426)
  })

  it.each([
    'http://rebound.example/nats',
    'http://rebound.example/publish/a',
    'http://bridge.example.com.rebound.example/nats',
    'http://sub.bridge.example.com/nats',
    'http://localhost.rebound.example/nats',
    'http://127.0.0.1.rebound.example/nats',
  ])('rejects %s', async (url) => {
    const events: LogEvent[] = []
    const log = (event: LogEvent) => void events.push(event)
    expect(await statusOf(url, { hosts: ['bridge.example.com'], log })).toBe(421)
    expect(events.map(({ code }) => code)).toEqual(['origin-refused'])
    expect(events[0]?.message).toContain('Add it to its option "hosts".')
  })

  it('accepts every name by default, and with *', async () => {
    expect(await statusOf('http://anything.example/nats', {})).toBe(426)
    expect(await statusOf('http://anything.example/nats', { hosts: '*' })).toBe(426)
  })

  it('must be names without a scheme or path', () => {
    for (const one of ['https://bridge.example.com', 'bridge.example.com/nats', '*.example.com', '', ' a'])
      expect(() => checkHostNames([one]), one).toThrow(/^hosts contains .*Use the host name alone/)
    expect(() => checkHostNames('bridge.example.com' as never)).toThrow(/must be '\*' or a list/)
    expect(() => checkHostNames(['bridge.example.com:8443', '*'] as never)).toThrow()
    expect(allowHostNames('*', '*')).toBeTypeOf('function')
  })
})
