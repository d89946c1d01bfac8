import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuditTarget, connectLine } from '../conformance/edge-protocol/audit.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { natsServerTarget, nodeTarget } from '../conformance/edge-protocol/targets.ts'
import { mutatedStream, toBytes } from './client-streams.ts'

/** State of a connection after a stream: closed, open, or waiting for the rest of an operation. */
interface Verdict {
  readonly end: 'closed' | 'live' | 'waiting'
  readonly errors: readonly string[]
}

const targets: { reference?: AuditTarget; bridge?: AuditTarget } = {}
beforeAll(async () => {
  targets.reference = await natsServerTarget()
  targets.bridge = await nodeTarget('embedded')
}, 60_000)
afterAll(() => Promise.all([targets.reference?.close(), targets.bridge?.close()]))

async function connect(target: AuditTarget): Promise<RawClient> {
  const client = await RawClient.open(target.url)
  await client.info()
  const answer = await client.exchange(connectLine({}, target.credentials.full))
  if (answer.ending) throw new Error('CONNECT was refused')
  return client
}

/** Sends the stream in two frames. Returns the state of the connection. */
async function verdict(target: AuditTarget, stream: Uint8Array, cut: number, deadline: number): Promise<Verdict> {
  const client = await connect(target)
  try {
    client.send(stream.subarray(0, cut))
    client.send(stream.subarray(cut))
    // At least one of these PONGs is for a PING after the stream, so its effects are visible.
    const pings = String.fromCharCode(...stream).split(/PING/i).length
    // This ends an incomplete line. An incomplete payload contains it.
    client.send(
      `${stream.at(-1) === 10 ? '' : '\r\n'}SUB fuzz.marker marker\r\nPUB fuzz.marker 0\r\n\r\n${'PING\r\n'.repeat(pings)}`,
    )
    const errors: string[] = []
    let pongs = 0
    let marked = false
    try {
      for (let line = await client.next(deadline); line; line = await client.next(deadline)) {
        marked ||= line.line === 'MSG fuzz.marker marker 0'
        if (line.line === 'PONG') pongs++
        if (marked && pongs >= pings) return { end: 'live', errors }
        if (line.line.startsWith('-ERR')) errors.push(line.line.slice(6, -1))
      }
      return { end: 'closed', errors }
    } catch {
      return { end: 'waiting', errors }
    }
  } finally {
    client.terminate()
  }
}

async function verdicts(stream: Uint8Array, cut: number, deadline: number): Promise<[Verdict, Verdict]> {
  const [reference, bridge] = await Promise.all([
    verdict(targets.reference as AuditTarget, stream, cut, deadline),
    verdict(targets.bridge as AuditTarget, stream, cut, deadline),
  ])
  // Repeat with a longer deadline, because a busy machine is not a difference.
  const unsure = reference.end !== bridge.end && [reference.end, bridge.end].includes('waiting')
  return unsure && deadline < 1_000 ? verdicts(stream, cut, 2_000) : [reference, bridge]
}

describe('mutated streams at live endpoints', () => {
  it('do not affect another client', { timeout: 20_000 }, async () => {
    const target = targets.bridge as AuditTarget
    const neighbour = await connect(target)
    await neighbour.exchange('SUB calm.> 1\r\n')
    const publisher = await connect(target)
    let sent = 0
    const property = fc.asyncProperty(mutatedStream, async (stream) => {
      const attacker = await RawClient.open(target.url)
      attacker.send(connectLine({}, target.credentials.full))
      attacker.send(toBytes(stream))
      publisher.send(`PUB calm.a ${String(sent).length}\r\n${sent}\r\n`)
      expect(await neighbour.next()).toEqual({ line: `MSG calm.a 1 ${String(sent).length}`, payload: String(sent) })
      sent++
      attacker.terminate()
    })
    await fc.assert(property, { numRuns: 200, interruptAfterTimeLimit: 8_000 })
    expect((await neighbour.exchange()).lines).toEqual([])
    for (const client of [neighbour, publisher]) client.terminate()
  })

  it('have the same effect as on nats-server', { timeout: 30_000 }, async () => {
    const property = fc.asyncProperty(mutatedStream, fc.nat(10_000), async (text, place) => {
      const stream = toBytes(text)
      if (isAllowedToDiffer(text)) return
      const cut = place % (stream.length + 1)
      const [reference, bridge] = await verdicts(stream, cut, 150)
      expect(bridge.end).toBe(reference.end)
      // If nats-server sent a text, the bridge sends it as well.
      for (const error of reference.errors) expect(bridge.errors).toContain(error)
    })
    await fc.assert(property, { numRuns: 2_000, interruptAfterTimeLimit: 8_000 })
  })
})

/** Differences of PROTOCOL.md that change an `-ERR` or a close. */
function isAllowedToDiffer(text: string): boolean {
  // nats-server ignores INFO of a client, and accepts a CONNECT without a token here. It does not end a line at a line end
  // directly after the verb's space. Depending on the verb, a CR inside a line separates arguments.
  return /INFO|CONNECT|(PUB|SUB)[ \t]+\n|\r(?!\n)/i.test(text)
}
