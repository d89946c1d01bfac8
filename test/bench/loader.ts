/**
 * Subscribers in a separate process: `node loader.ts <order as JSON>`. Counts every message, checks the message numbers
 * of each subscriber, and reports progress over IPC.
 */
import process from 'node:process'
import { ageAt, MARK, numberAt, READABLE } from './message.ts'
import { type ProtocolName, subscribe } from './protocols.ts'

/** The task of one process. */
export interface LoaderOrder {
  readonly url: string
  readonly protocol: ProtocolName
  /** Subjects of each subscriber. */
  readonly clients: readonly (readonly string[])[]
  /** Whether the numbers are consecutive at each subscriber: true if all subscribers receive all messages. */
  readonly contiguous: boolean
}

/** A report over IPC. */
export type LoaderNews =
  | { readonly kind: 'ready'; readonly connectedIn: number }
  | { readonly kind: 'progress'; readonly received: number }
  | { readonly kind: 'result'; readonly received: number; readonly wrong: number; readonly ages: readonly number[] }

const order = JSON.parse(process.argv[2] ?? '') as LoaderOrder
const MOST_AGES = 200_000
const CONNECT_AT_ONCE = 50

let received = 0
let wrong = 0
const ages: number[] = []
let isReporting = false
const say = (news: LoaderNews) => process.send?.(news)

async function start(subjects: readonly string[]): Promise<void> {
  let rest: Buffer = Buffer.alloc(0)
  let last = 0
  const socket = await subscribe(order.url, order.protocol, subjects, (chunk) => {
    const data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
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
    // This may be the beginning of another message. Keeps at most the length of a readable part.
    rest = data.subarray(at >= 0 ? at : Math.max(end, data.length - READABLE))
    if (rest.length > 0 && rest.length < data.length) rest = Buffer.from(rest)
  })
  socket.on('close', () => wrong++)
}

/** Reports once per turn of the event loop. */
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
  await Promise.all(order.clients.slice(at, at + CONNECT_AT_ONCE).map(start))
say({ kind: 'ready', connectedIn: performance.now() - began })
