/**
 * Connects, subscribes and disconnects 1,000 clients in each of 20 rounds, at a bridge in this process. Run it with
 * `node --expose-gc rounds.ts`. Prints the heap after garbage collection of each round, in bytes.
 */
import type { Socket } from 'node:net'
import { serve } from '../../bridge/hosts/node.ts'
import { encodeFrame, openRawSocket } from '../bench/raw-socket.ts'
import { openToAll } from '../support/open-to-all.ts'

const ROUNDS = 20
const CLIENTS = 1_000
const AT_ONCE = 100

const server = await serve({
  upstream: 'embedded',
  auth: openToAll,
})
const { hub } = server.bridge
const heaps: number[] = []
let began = performance.now()
let connectRate = 0
for (let round = 0; round < ROUNDS; round++) {
  const sockets: Socket[] = []
  began = performance.now()
  for (let i = 0; i < CLIENTS; i += AT_ONCE)
    sockets.push(...(await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => come(i + n)))))
  connectRate = CLIENTS / ((performance.now() - began) / 1_000)
  const { connections, subscriptions } = hub.stats
  if (connections !== CLIENTS || subscriptions !== 2 * CLIENTS) throw new Error(JSON.stringify(hub.stats))
  for (const socket of sockets) socket.destroy()
  while (hub.stats.connections > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  heaps.push(await collected())
}
console.log(JSON.stringify({ heaps, connectRate: Math.round(connectRate), left: hub.stats }))
process.exit(0)

/** Each client has a shared and an exclusive filter, is in a presence channel, and publishes. */
async function come(i: number): Promise<Socket> {
  const ready = Promise.withResolvers<void>()
  const socket = await openRawSocket(`${server.url.replace('http', 'ws')}/nats`, (chunk) => {
    if (chunk.includes('PONG')) ready.resolve()
  })
  const text =
    'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n' +
    `SUB shared.> 1\r\nSUB own.${i} 2\r\nSUB $EDGE.PRESENCE.room${i % 10} 3\r\n` +
    `PUB own.${i} 2\r\nhi\r\nPUB $EDGE.PRESENCE.room${i % 10} 13\r\n{"do":"join"}\r\nPING\r\n`
  socket.write(encodeFrame(text, true))
  await ready.promise
  return socket
}

async function collected(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    ;(globalThis as unknown as { gc(): void }).gc()
  }
  return process.memoryUsage().heapUsed
}
