/**
 * Clients that return after a deployment, as a part of `npm run bench`, or alone:
 * `node test/bench/returns.ts [<clients>] [<seconds>]`. A bridge on Node is replaced by a new process on the same port. Its
 * clients return within some seconds, at even intervals, each with a token and a subscription. Counts clients that are
 * refused or must dial twice, and the time from a dial until the subscription is live. The clients are in one process on
 * the same machine. Two descriptors are open for each, so that `ulimit -n` bounds their number per process.
 */
import type { Socket } from 'node:net'
import process from 'node:process'
import { freePort } from '../../demo/setup/free-port.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { startHost } from '../support/process-host.ts'
import { createToken, SECRET } from '../support/token.ts'
import { cpuOf } from './process-figures.ts'
import { encodeFrame, openRawSocket } from './raw-socket.ts'

/** The return of one client, in ms since the first dial. */
interface Return {
  readonly dialled: number
  readonly live: number
}

/** Connects a client. Rejects if it is refused or closed. */
async function subscribe(url: string, token: string, index: number): Promise<Socket> {
  const live = Promise.withResolvers<void>()
  let text = ''
  const socket = await openRawSocket(url, (chunk) => {
    text += chunk.toString('latin1')
    if (text.includes('PONG')) live.resolve()
    if (text.includes('-ERR')) live.reject(new Error(text.slice(text.indexOf('-ERR'))))
  })
  socket.on('error', () => {})
  socket.on('close', () => live.reject(new Error('The connection was closed.')))
  const options = JSON.stringify({ verbose: false, auth_token: token })
  socket.write(encodeFrame(`CONNECT ${options}\r\nSUB users.${index % 1_000}.> 1\r\nPING\r\n`, true))
  await live.promise
  return socket
}

/** Prints one line. */
export async function benchReturns(clients = 10_000, seconds = 10): Promise<void> {
  await using nats = await startNatsServer()
  const token = await createToken({ sub: 'bench', subscribe: { allow: ['users.>'] } })
  const limits = { maxConnections: 2 * clients, maxConnectionsPerUser: 2 * clients }
  const options = { port: await freePort(), upstream: nats.url, auth: { secret: SECRET }, limits, log: 'warn' as const }
  const old = await startHost('node', options)
  const url = `${old.url.replace('http', 'ws')}/nats`
  let sockets: Socket[] = []
  for (let at = 0; at < clients; at += 50)
    sockets.push(...(await Promise.all(Array.from({ length: 50 }, (_, i) => subscribe(url, token, at + i)))))
  const gone = Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))))
  old.kill()
  await gone

  const host = await startHost('node', options)
  const cpu = cpuOf([host.pid, nats.pid])
  const began = performance.now()
  const now = () => performance.now() - began
  const failures: string[] = []
  const returns: Return[] = []
  sockets = []
  const pending: Promise<void>[] = []
  while (pending.length < clients) {
    const due = Math.min(clients, Math.floor((now() / 1_000 / seconds) * clients) + 1)
    while (pending.length < due) {
      const dialled = now()
      const index = pending.length
      pending.push(
        subscribe(url, token, index).then(
          (socket) => {
            returns.push({ dialled, live: now() })
            sockets.push(socket)
          },
          (error: Error) => void failures.push(error.message),
        ),
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(pending)
  const took = now()
  const waits = returns.map(({ dialled, live }) => live - dialled).sort((a, b) => a - b)
  const at = (part: number) => (waits[Math.min(waits.length - 1, Math.floor(waits.length * part))] ?? 0).toFixed(1)
  console.log(
    `returns  ${returns.length} of ${clients} clients live after ${(took / 1_000).toFixed(1)} s, ${failures.length} refused or closed; ` +
      `dial until live: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms; ` +
      `longest overtaking ${overtaking(returns).toFixed(1)} ms; ` +
      `${((cpuOf([host.pid, nats.pid]) - cpu) / clients).toFixed(0)} µs of CPU each, with NATS`,
  )
  for (const failure of new Set(failures)) console.log(`         ${failure}`)
  for (const socket of sockets) socket.destroy()
  await host.stop()
}

/** The longest time by which a client that dialled later was live before another one, in ms. */
function overtaking(returns: readonly Return[]): number {
  let [worst, newest] = [0, 0]
  for (const { dialled } of returns) {
    newest = Math.max(newest, dialled)
    worst = Math.max(worst, newest - dialled)
  }
  return worst
}

if (import.meta.main) {
  const [, , clients, seconds] = process.argv
  await benchReturns(Number(clients ?? 10_000), Number(seconds ?? 10))
  process.exit(0)
}
