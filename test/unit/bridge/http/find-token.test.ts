import { describe, expect, it } from 'vitest'
import type { BridgeOptions } from '../../../../bridge/bridge.ts'
import type { ClientSocket } from '../../../../bridge/delivery/client-socket.ts'
import { eventually } from '../../../support/eventually.ts'
import { coreOf } from '../../../support/hub-core.ts'
import { bridgeFor, SECRET, sign } from '../session/scripted-client.ts'

const utf8 = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

describe('cookies', () => {
  async function connect(origins: BridgeOptions['origins'], origin: string | undefined) {
    const { bridge } = bridgeFor({ auth: { secret: SECRET, cookie: 'token' }, ...(origins && { origins }) })
    const sent: string[] = []
    const socket: ClientSocket = { send: (bytes) => void sent.push(utf8(bytes)), close: () => void sent.push('closed') }
    const headers = {
      Upgrade: 'websocket',
      Cookie: `token=${await sign({ sub: 'ada' })}`,
      ...(origin && { Origin: origin }),
    }
    await bridge.app.request(
      'http://bridge.example.com/nats',
      { headers },
      {
        upgrade: (open) => {
          open(socket).receive(new TextEncoder().encode('CONNECT {"verbose":false}\r\nPING\r\n'))
          return new Response()
        },
      },
    )
    await eventually(() => {
      coreOf(bridge.hub).turn.flush()
      return /PONG|closed/.test(sent.join(''))
    })
    return /PONG/.test(sent.join(''))
  }

  it('are accepted from pages of the own host and of allowed origins', async () => {
    expect(await connect(undefined, 'http://bridge.example.com')).toBe(true)
    expect(await connect(['https://app.example.com'], 'https://app.example.com')).toBe(true)
    expect(await connect('*', 'https://evil.example')).toBe(false)
    expect(await connect('*', undefined)).toBe(false)
  })
})
