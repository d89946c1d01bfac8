/**
 * Subscribers in a process of their own: `node loader.ts <order as JSON>`. Counts every message and checks the numbers of each
 * subscriber and says over IPC how far they are.
 */
import type { Socket } from 'node:net'
import process from 'node:process'
import { ageAt, MARK, numberAt, READABLE } from './message.ts'
import { PROTOCOLS, type ProtocolName } from './protocols.ts'
import { encodeFrame, openRawSocket } from './raw-socket.ts'

/** What one process is to do. */
export interface LoaderOrder {
  readonly url: string
  readonly protocol: ProtocolName
  /** Subjects of each subscriber. */
  readonly clients: readonly (readonly string[])[]
  /** Whether numbers follow each other at each subscriber: true where all get everything. */
  readonly contiguous: boolean
}

/** What it says. */
export type LoaderNews =
  | { readonly kind: 'ready'; readonly connectedIn: number }
  | { readonly kind: 'progress'; readonly received: number }
  | { readonly kind: 'result'; readonly received: number; readonly wrong: number; readonly ages: readonly number[] }

const order = JSON.parse(process.argv[2] ?? '') as LoaderOrder
const protocol = PROTOCOLS[order.protocol]
const MOST_AGES = 200_000
const CONNECT_AT_ONCE = 50

let received = 0
let wrong = 0
const ages: number[] = []
let isReporting = false
const sockets: Socket[] = []
const say = (news: LoaderNews) => process.send?.(news)

function start(index: number): Promise<void> {
  const ready = Promise.withResolvers<void>()
  let isReady = false
  let rest: Buffer = Buffer.alloc(0)
  let last = 0
  const subjects = order.clients[index] as readonly string[]
  const steps = protocol.subscribe(subjects)
  const takeStep = () => {
    const step = steps.shift()
    if (step) sockets[index]?.write(encodeFrame(step.send, order.protocol === 'nats'))
  }
  openRawSocket(new URL(protocol.path, order.url).href.replace('http', 'ws'), (chunk) => {
    const data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    if (steps[0]?.after && data.includes(steps[0].after)) takeStep()
    if (!isReady && data.includes(protocol.ready)) {
      isReady = true
      ready.resolve()
    }
    if (protocol === PROTOCOLS.nats && data.includes('PING\r\n')) sockets[index]?.write(encodeFrame('PONG\r\n', true))
    let at = data.indexOf(MARK)
    let end = 0
    while (at >= 0 && at + READABLE <= data.length) {
      const n = numberAt(data, at)
      if (order.contiguous ? n !== last + 1 : n <= last) wrong++
      last = n
      received++
      if (ages.length < MOST_AGES && received % 7 === 0) ages.push(ageAt(data, at))
      end = at + READABLE
      at = data.indexOf(MARK, end)
    }
    if (end > 0 && !isReporting) {
      isReporting = true
      setImmediate(report)
    }
    // The beginning of one more, maybe; at most as long as what must be there.
    rest = data.subarray(at >= 0 ? at : Math.max(end, data.length - READABLE))
    if (rest.length > 0 && rest.length < data.length) rest = Buffer.from(rest)
  }).then((socket) => {
    sockets[index] = socket
    socket.on('close', () => wrong++)
    socket.on('error', () => {})
    if (steps[0]?.after === '') takeStep()
  }, ready.reject)
  return ready.promise
}

/** Once for all that a turn brought. */
function report(): void {
  isReporting = false
  say({ kind: 'progress', received })
}

process.on('message', (what) => {
  if (what === 'result') say({ kind: 'result', received, wrong, ages })
  if (what === 'end') process.exit()
})

const began = performance.now()
for (let at = 0; at < order.clients.length; at += CONNECT_AT_ONCE)
  await Promise.all(order.clients.slice(at, at + CONNECT_AT_ONCE).map((_, i) => start(at + i)))
say({ kind: 'ready', connectedIn: performance.now() - began })
