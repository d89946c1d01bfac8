import { describe, expect, it } from 'vitest'
import { isSkipped } from '../support/runtimes.ts'
import { seed as runSeed } from '../support/seed.ts'
import type { Numbered } from './chaos-contract.ts'
import { judge, runRelayChaos } from './relay-chaos.ts'

/** `RELAY_SECONDS` for longer runs by hand. `SPANWIRE_SEED` repeats one. */
const seconds = Number(process.env.RELAY_SECONDS ?? 20)
const messages = 20_000

it('counts messages that are lost, repeated or out of order', () => {
  const sent: Numbered[] = [0, 1, 2, 3].map((n) => ({ n, key: `k${n % 2}` }))
  const [zero, one, two, three] = sent as [Numbered, Numbered, Numbered, Numbered]
  expect(judge(sent, [one, zero, three, two])).toEqual({ lost: 0, repeated: 0, inversions: 0 })
  expect(judge(sent, [zero, two, three])).toEqual({ lost: 1, repeated: 0, inversions: 0 })
  expect(judge(sent, [zero, one, two, two, three])).toEqual({ lost: 0, repeated: 1, inversions: 0 })
  expect(judge(sent, [two, one, zero, three])).toEqual({ lost: 0, repeated: 0, inversions: 1 })
})

describe('while processes are killed', () => {
  // Side by side: most of the time is spent in starts of the brokers.
  it.for([
    { kind: 'kafka', control: false },
    // Its queue delivers acknowledged messages again after a kill: without ids they are stored twice.
    { kind: 'rabbitmq', control: true },
    { kind: 'activemq', control: false },
  ] as const)(
    'the relays of $kind store and send each message, in order',
    { timeout: 300_000, concurrent: true },
    async ({ kind, control }, { skip }) => {
      if (isSkipped(kind)) return skip()
      const seed = runSeed
      console.log(`SPANWIRE_SEED=${seed}`)
      const report = await runRelayChaos({ kind, seed, seconds, messages, control })
      console.log(kind, report)
      const { relay = 0, nats = 0, broker = 0 } = report.kills
      expect(Math.min(relay, nats, broker)).toBeGreaterThan(0)
      expect(report.inwards).toEqual({ lost: 0, repeated: 0, inversions: 0 })
      expect(report.outwards).toMatchObject({ lost: 0, inversions: 0, otherIds: 0 })
      if (control) expect(report.controlRepeated).toBeGreaterThan(0)
    },
  )
})
