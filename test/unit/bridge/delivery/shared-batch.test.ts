import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Session } from '../../../../bridge/session/session.ts'
import { bridgeFor, ScriptedClient, settle } from '../session/scripted-client.ts'

const CLIENTS = 4
const client = fc.nat(CLIENTS - 1)
/** Different sids, because the order of two subscriptions of one client is not specified. */
const filters: Record<string, string> = { 1: 'a.*', 2: 'b', 3: '>' }
const sid = fc.constantFrom(...Object.keys(filters))
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      subject: fc.constantFrom('a.x', 'a.y', 'b', '_INBOX.k.x'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ask' as const), subject: fc.constantFrom('a.x', 'b') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
  fc.record({ do: fc.constant('settle' as const) }),
  fc.record({ do: fc.constant('sub' as const), client, sid }),
  fc.record({ do: fc.constant('unsub' as const), client, sid, max: fc.constantFrom(0, 1, 3, 7) }),
  fc.record({ do: fc.constant('ping' as const), client }),
  fc.record({ do: fc.constant('revoke' as const), client, filter: fc.constantFrom('a.*', 'b') }),
  fc.record({ do: fc.constant('leave' as const), client }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** The output of each client by turn. Clients with different sids can't share bytes. */
async function play(steps: readonly Step[], ownSids: boolean): Promise<string[][]> {
  const { bridge, upstream } = bridgeFor()
  const clients: ScriptedClient[] = []
  for (let i = 0; i < CLIENTS; i++) clients.push(await ScriptedClient.connected(bridge, { echo: i !== CLIENTS - 1 }))
  const nameOf = (sid: string, index: number) => (ownSids ? `${sid}of${index}` : sid)
  // Without the last one, whose messages are checked individually and never shared.
  for (const [index, client] of clients.slice(0, -1).entries()) client.send(`SUB a.* ${nameOf('1', index)}\r\n`)
  const received = clients.map((): string[] => [])
  const turn = async () => {
    for (const [index, client] of clients.entries())
      received[index]?.push((await client.turn()).replaceAll(`of${index} `, ' '))
  }
  await turn()
  let published = 0
  for (const step of steps) {
    if (step.do === 'publish' || step.do === 'ask')
      upstream.publish({
        subject: step.subject,
        payload: new TextEncoder().encode(`${++published}`),
        ...(step.do === 'ask' && { reply: 'answer.here' }),
      })
    else if (step.do === 'turn') await turn()
    else if (step.do === 'settle') await settle()
    else {
      const target = clients[step.client] as ScriptedClient
      await settle()
      if (step.do === 'ping') target.send('PING\r\n')
      else if (step.do === 'revoke') (target.connection as Session).revoke(step.filter)
      else if (step.do === 'leave') target.connection.closed()
      else {
        const name = nameOf(step.sid, step.client)
        target.send(step.do === 'sub' ? `SUB ${filters[step.sid]} ${name}\r\n` : `UNSUB ${name} ${step.max || ''}\r\n`)
      }
    }
  }
  await turn()
  return received
}

it('shared batches contain the same bytes in the same order and turn as separate ones', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 50 }), async (steps) => {
      expect(await play(steps, false)).toEqual(await play(steps, true))
    }),
    { numRuns: 600 },
  )
}, 60_000)
