/** Attacks on the memory of a bridge, on each runtime: it runs in a process of its own and is measured from outside. */
import type { Socket } from 'node:net'
import { connect, type NatsConnection } from 'nats'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encodeFrame, openRawSocket } from '../bench/raw-socket.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { type HostProcess, startHost } from '../support/process-host.ts'
import { growthDuring } from '../support/resident-memory.ts'
import { isSkipped } from '../support/runtimes.ts'
import { createToken, SECRET } from '../support/token.ts'

const MIB = 1024 * 1024
const KEY = 'k'.repeat(40)
const everything = { pub: { allow: ['>'] }, subscribe: { allow: ['>'] } }

let nats: NatsServer
let backend: NatsConnection
beforeAll(async () => {
  nats = await startNatsServer({ jetstream: true })
  backend = await connect({ servers: nats.url })
}, 60_000)
afterAll(async () => {
  await backend?.close()
  await nats?.[Symbol.asyncDispose]()
})

for (const runtime of ['node', 'bun', 'deno'] as const)
  describe.skipIf(isSkipped(runtime))(`a bridge on ${runtime}`, () => {
    let host: HostProcess
    let attacker: string
    // A process keeps the memory that it once had: each attack meets a fresh one.
    beforeEach(async () => {
      attacker = await createToken({ sub: 'mallory', ...everything })
      host = await startHost(runtime, { upstream: nats.url, auth: { secret: SECRET }, monitoring: { key: KEY } })
      // Code is compiled, and the heap has its size, before anything is measured.
      await neighbourIsServed()
    }, 30_000)
    afterEach(() => host?.stop())

    /** A neighbour gets its own messages while others attack. */
    async function neighbourIsServed(): Promise<void> {
      let received = 0
      const socket = await openSocket(host, await createToken({ sub: 'neighbour', ...everything }), (chunk) => {
        received += chunk.toString('latin1').split('MSG quiet').length - 1
      })
      socket.write(encodeFrame('SUB quiet 1\r\n', true))
      for (let sent = 1; sent <= 10; sent++) {
        socket.write(encodeFrame('PUB quiet 2\r\nhi\r\n', true))
        await eventually(() => received === sent, { what: `message ${sent} of the neighbour` })
      }
      socket.destroy()
    }

    it('1,023 conflated subscriptions of a connection that reads nothing share one limit', async () => {
      const grown = await growthDuring(host.pid, async () => {
        const socket = await openSocket(host, attacker)
        const sids = Array.from({ length: 1_023 }, (_, sid) => `SUB $EDGE.CONFLATE.x.* ${sid + 1}\r\n`)
        socket.write(encodeFrame(`SUB fill fill\r\n${sids.join('')}`, true))
        await eventually(async () => (await subscriptions(host, 'mallory')) === 1_024)
        socket.pause()
        // Any byte was a sign of life.
        const alive = setInterval(() => socket.write(encodeFrame('+OK\r\n', true)), 200)
        for (let i = 0; i < 25; i++) backend.publish('fill', new Uint8Array(100_000))
        await backend.flush()
        for (let i = 0; i < 38; i++) backend.publish(`x.${i}`, new Uint8Array(50_000))
        await backend.flush()
        await neighbourIsServed()
        clearInterval(alive)
        socket.destroy()
      })
      console.log(`${runtime}: conflated subscriptions +${grown.toFixed(0)} MiB`)
      expect(grown).toBeLessThan(150)
    }, 60_000)

    it('1,024 subscriptions of one connection to one subject share the bytes of one message', async () => {
      const grown = await growthDuring(host.pid, async () => {
        const socket = await openSocket(host, attacker)
        socket.write(encodeFrame(Array.from({ length: 1_024 }, (_, sid) => `SUB one ${sid + 1}\r\n`).join(''), true))
        await eventually(async () => (await subscriptions(host, 'mallory')) === 1_024)
        backend.publish('one', new Uint8Array(1_000_000))
        await backend.flush()
        await neighbourIsServed()
        socket.destroy()
      })
      console.log(`${runtime}: one message to 1,024 subscriptions +${grown.toFixed(0)} MiB`)
      expect(grown).toBeLessThan(150)
    }, 60_000)

    it('100 connections of one user that read nothing, each with sids of its own', async () => {
      const grown = await growthDuring(host.pid, async () => {
        const sockets = await Promise.all(
          Array.from({ length: 100 }, async (_, index) => {
            const socket = await openSocket(host, attacker)
            socket.write(encodeFrame(`SUB unread ${index}\r\n`, true))
            socket.pause()
            return socket
          }),
        )
        await eventually(async () => (await subscriptions(host, 'mallory')) === 100)
        for (let i = 0; i < 120; i++) {
          backend.publish('unread', new Uint8Array(100_000))
          await backend.flush()
          for (const socket of sockets) if (!socket.destroyed) socket.write(encodeFrame('PONG\r\n', true))
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
        await neighbourIsServed()
        for (const socket of sockets) socket.destroy()
      })
      console.log(`${runtime}: 100 connections that read nothing +${grown.toFixed(0)} MiB`)
      expect(grown).toBeLessThan(450)
    }, 60_000)

    it('200 connections of one user with half a PUB, and half a WebSocket message behind it', async () => {
      const half = encodeFrame(`PUB half 1048576\r\n${'x'.repeat(MIB - 100)}`, true)
      const message = encodeFrame('x'.repeat(2 * MIB - 100), true).subarray(0, -100)
      const grown = await growthDuring(host.pid, async () => {
        const sockets: Socket[] = []
        const isSent = ({ writableLength, destroyed }: Socket) => writableLength === 0 || destroyed
        // In parts: bytes that are read and dropped at once are garbage, not memory in use.
        for (let part = 0; part < 20; part++) {
          const more = await Promise.all(Array.from({ length: 10 }, () => openSocket(host, attacker)))
          sockets.push(...more)
          for (const socket of more) {
            socket.write(half)
            socket.write(message)
          }
          await eventually(() => more.every(isSent), { what: 'all to be sent', deadline: 5_000 }).catch(() => {})
        }
        await neighbourIsServed()
        for (const socket of sockets) socket.destroy()
      })
      console.log(`${runtime}: 200 connections with unfinished input +${grown.toFixed(0)} MiB`)
      // Bun keeps the beginning of a WebSocket message to itself: it is bounded per connection, and can't be counted.
      // Deno returns memory late. Without the budget, it was 1,012 MiB there, and 615 on the others.
      expect(grown).toBeLessThan(runtime === 'deno' ? 700 : 550)
    }, 60_000)

    it('10 connections without credentials and half a WebSocket message of 40 MiB each', async () => {
      const grown = await growthDuring(host.pid, async () => {
        const endpoint = `${host.url.replace('http', 'ws')}/nats`
        const head = Buffer.alloc(14)
        head[0] = 0x82
        head[1] = 0x80 | 127
        head.writeBigUInt64BE(BigInt(40 * MIB + 1), 2)
        const part = Buffer.alloc(MIB)
        const sockets = await Promise.all(Array.from({ length: 10 }, () => openRawSocket(endpoint, () => {})))
        for (const socket of sockets) {
          socket.on('error', () => {})
          socket.write(head)
          for (let i = 0; i < 40 && !socket.destroyed; i++) socket.write(part)
        }
        await neighbourIsServed()
        await eventually(() => sockets.every(({ destroyed, writableLength }) => destroyed || writableLength === 0), {
          deadline: 8_000,
        })
        for (const socket of sockets) socket.destroy()
      })
      console.log(`${runtime}: messages of 40 MiB without credentials +${grown.toFixed(0)} MiB`)
      expect(grown).toBeLessThan(150)
    }, 60_000)

    it('40 replays of the last message of each subject that are not read', async () => {
      const jsm = await backend.jetstreamManager()
      await jsm.streams.add({ name: `S${runtime}`, subjects: [`${runtime}.>`], storage: 'memory' as never })
      for (let i = 0; i < 9_000; i++) backend.publish(`${runtime}.a.b.c.d.e.${i}`, new Uint8Array(650))
      await backend.flush()
      const grown = await growthDuring(host.pid, async () => {
        const sockets: Socket[] = []
        // Distinct filters that match all subjects, by wildcards in other places. Both connections have the same filters.
        for (const _ of [1, 2]) {
          let opened = 0
          const socket = await openSocket(host, attacker, (chunk) => {
            opened += chunk.toString('latin1').split('Spanwire-Start-Seq').length - 1
          })
          sockets.push(socket)
          for (let bits = 0; bits < 20 && !socket.destroyed; bits++) {
            const filter = ['a', 'b', 'c', 'd', 'e'].map((token, at) => ((bits >> at) & 1 ? '*' : token)).join('.')
            const before = opened
            socket.write(encodeFrame(`SUB $EDGE.REPLAY.last-per-subject.${runtime}.${filter}.> ${bits}\r\n`, true))
            await eventually(() => opened > before || socket.destroyed)
          }
          socket.pause()
        }
        await neighbourIsServed()
        for (const socket of sockets) socket.destroy()
      })
      console.log(`${runtime}: 40 replays by last-per-subject +${grown.toFixed(0)} MiB`)
      expect(grown).toBeLessThan(200)
    }, 60_000)
  })

async function openSocket(host: HostProcess, token: string, data: (chunk: Buffer) => void = () => {}) {
  const socket = await openRawSocket(`${host.url.replace('http', 'ws')}/nats`, data)
  socket.on('error', () => {})
  socket.write(encodeFrame(`CONNECT {"auth_token":"${token}","verbose":false,"headers":true}\r\n`, true))
  return socket
}

/** Subscriptions of a user, as the bridge counts them. */
async function subscriptions(host: HostProcess, user: string): Promise<number> {
  const headers = { Authorization: `Bearer ${KEY}` }
  const response = await fetch(`${host.url}/connz?user=${user}&limit=1000`, { headers })
  const { connections } = (await response.json()) as { connections: Array<{ subscriptions: number }> }
  return connections.reduce((sum, one) => sum + one.subscriptions, 0)
}
