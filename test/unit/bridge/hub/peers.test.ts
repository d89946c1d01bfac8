import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEmbeddedBroker } from '../../../../bridge/broker/embedded.ts'
import { receiveForwarded } from '../../../../bridge/http/tunnel-forward.ts'
import { newTunnelKey, Tunnels } from '../../../../bridge/http/tunnels.ts'
import { Peers } from '../../../../bridge/hub/peers.ts'
import { Requests } from '../../../../bridge/upstream/requests.ts'
import { encodeHeaders } from '../../../../sdk/wire/headers.ts'

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

function twoHubs() {
  const broker = createEmbeddedBroker()
  const group = { id: 'g', names: ['hub-1', 'hub-2'] }
  const make = (name: string) => {
    const upstream = broker.connect()
    return { upstream, peers: new Peers(upstream, new Requests(upstream), `id-of-${name}`, { ...group, name }) }
  }
  return { a: make('hub-1'), b: make('hub-2') }
}

describe('requests between hubs', () => {
  it('reach a hub by its id, and by its name in the group', async () => {
    const { a, b } = twoHubs()
    b.peers.handle('ECHO', ({ fields, payload }) => ({ fields, payload }))
    for (const name of ['id-of-hub-2', 'hub-2']) {
      const answer = await a.peers.ask(name, 'ECHO', { fields: [['A', 'b']], payload: encode('hi') })
      expect([answer.fields, decode(answer.payload)]).toEqual([[['A', 'b']], 'hi'])
    }
    expect([a.peers.isSelf('hub-1'), a.peers.isSelf('id-of-hub-1'), a.peers.isSelf('hub-2')]).toEqual([
      true,
      true,
      false,
    ])
  })

  it('fail with the error of the other hub, and without details of an unexpected one', async () => {
    const { a, b } = twoHubs()
    b.peers.handle('BREAK', () => {
      throw new TypeError('a secret of the other process')
    })
    const nothing = { fields: [], payload: new Uint8Array(0) }
    await expect(a.peers.ask('hub-2', 'BREAK', nothing)).rejects.toMatchObject({
      code: 'request-refused',
      message: 'The other hub failed.',
    })
    await expect(a.peers.ask('no-hub', 'BREAK', nothing)).rejects.toMatchObject({ code: 'no-responders' })
    await expect(a.peers.ask('evil.>', 'BREAK', nothing)).rejects.toMatchObject({ code: 'invalid-argument' })
  })

  it('are validated, so that malformed ones do not stop a hub or reach a session', async () => {
    const { a, b } = twoHubs()
    const tunnels = new Tunnels()
    const received: number[] = []
    receiveForwarded(b.peers, tunnels)
    const key = newTunnelKey(crypto.randomUUID())
    tunnels.add(key, (bytes) => received.push(...bytes))
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom(`${key} 1`, `${key} 2`, '0', '0 last', '5 last', '-1', '1e9 last'),
    )
    await fc.assert(
      fc.asyncProperty(text, text, fc.uint8Array(), async (post, part, payload) => {
        // The only well-formed message.
        if (post === `${key} 1` && /^0( last)?$/.test(part)) return
        let headers: Uint8Array | undefined
        try {
          headers = encodeHeaders([
            ['Spanwire-Tunnel', post],
            ['Spanwire-Part', part],
          ])
        } catch {
          headers = payload
        }
        a.upstream.publish({ subject: '$EDGE.HUB.id-of-hub-2.TUNNEL', reply: '_INBOX.x.y', headers, payload })
        await a.upstream.flush()
      }),
    )
    expect(received).toEqual([])
    tunnels.receive({ key, number: 1, bytes: Uint8Array.of(7) })
    expect(received).toEqual([7])
  })
})
