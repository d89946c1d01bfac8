import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hubOfTunnel, isTunnelKey, newTunnelKey, Tunnels } from '../../../../bridge/http/tunnels.ts'

describe('tunnel keys', () => {
  it('can contain the hub that holds the session', () => {
    const hub = crypto.randomUUID()
    const keys = [newTunnelKey(hub), newTunnelKey()]
    expect(keys.map(isTunnelKey)).toEqual([true, true])
    expect(keys.map(hubOfTunnel)).toEqual([hub, undefined])
  })

  it.each(['', 'x', `${'0'.repeat(64)}0`, `$EDGE.${'0'.repeat(64)}`, `${'x'.repeat(36)}.${'0'.repeat(64)}`])(
    'are not %s',
    (text) => expect(isTunnelKey(text)).toBe(false),
  )
})

describe('POSTs of a tunnel', () => {
  it('are received once and in order, also in parts and after interrupted attempts', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            size: fc.nat(40),
            attempts: fc.array(fc.nat(40), { maxLength: 3 }),
            part: fc.integer({ min: 1, max: 9 }),
          }),
        ),
        (posts) => {
          const tunnels = new Tunnels()
          const received: number[] = []
          const expected: number[] = []
          tunnels.add('key', (bytes) => received.push(...bytes))
          posts.forEach(({ size, attempts, part }, index) => {
            const bytes = Uint8Array.from({ length: size }, (_, at) => (index * 41 + at) % 256)
            expected.push(...bytes)
            const number = index + 1
            const send = (upTo: number) => {
              for (let offset = 0; ; offset += part) {
                const isPartial = offset + part < size
                if (isPartial && offset >= upTo) return
                const piece = bytes.subarray(offset, offset + part)
                tunnels.receive({ key: 'key', number, bytes: piece, offset, isPartial })
                if (!isPartial) return
              }
            }
            for (const upTo of attempts) send(upTo)
            send(size)
            // The response was lost, so the client repeats the POST.
            tunnels.receive({ key: 'key', number, bytes })
          })
          expect(received).toEqual(expected)
        },
      ),
    )
  })

  it('are rejected when earlier bytes are missing', () => {
    const tunnels = new Tunnels()
    const bytes = new Uint8Array(3)
    tunnels.add('key', () => {})
    expect(() => tunnels.receive({ key: 'key', number: 2, bytes })).toThrow(/POST 1 .* is missing/)
    expect(() => tunnels.receive({ key: 'key', number: 1, bytes, offset: 1 })).toThrow(/POST 1 .* is missing/)
    expect(() => tunnels.receive({ key: 'other', number: 1, bytes })).toThrow(/Unknown or expired tunnel/)
  })

  it('are admitted before their body is read: one body at a time, and a repeated POST stops the first', () => {
    const tunnels = new Tunnels()
    const stopped: string[] = []
    const admit = (number: number, name: string) => tunnels.admit({ key: 'key', number }, () => void stopped.push(name))
    tunnels.add('key', () => {})
    expect([admit(1, 'first'), admit(1, 'second')]).toEqual([true, true])
    expect(stopped).toEqual(['first'])
    tunnels.receive({ key: 'key', number: 1, bytes: new Uint8Array(1) })
    expect([admit(1, 'repeated'), admit(2, 'next')]).toEqual([false, true])
    expect(stopped).toEqual(['first'])
    expect(() => admit(4, 'later')).toThrow('POST 2 of this tunnel is missing')
  })

  it('are rejected before their body is read if the key is unknown', () => {
    const tunnels = new Tunnels()
    tunnels.add('key', () => {})
    tunnels.remove('key')
    expect(() => tunnels.admit({ key: 'key', number: 1 }, () => {})).toThrow('Unknown or expired tunnel')
  })
})
