import type { Socket } from 'node:net'
import { encodeFrame, openRawSocket } from './raw-socket.ts'

/** How a client of each system says what it wants. */
export interface ClientProtocol {
  /** Added to the address. */
  readonly path: string
  /** What a client sends, as WebSocket messages, each when it has read `after`. */
  subscribe(subjects: readonly string[]): Array<{ readonly after: string; readonly send: string }>
  /** Comes when all of it is known. */
  readonly ready: string
  /** What publishes, for systems that nothing else publishes to. */
  publish?(subject: string, payload: string): string
  /** What is published in one turn is one WebSocket message, so that reading it costs next to nothing. */
  readonly joined?: boolean
}

const nats: ClientProtocol = {
  path: '/nats',
  subscribe: (subjects) => [
    {
      after: '',
      send: `CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n${subjects
        .map((subject, i) => `SUB ${subject} ${i + 1}\r\n`)
        .join('')}PING\r\n`,
    },
  ],
  ready: 'PONG',
}

/** Of servers that are written for this: one line joins, one publishes. */
const lines: ClientProtocol = {
  path: '/',
  subscribe: (subjects) => [{ after: '', send: `SUB ${subjects.join(' ')}` }],
  ready: 'READY',
  publish: (subject, payload) => `PUB ${subject} ${payload}`,
}

const socketIo: ClientProtocol = {
  path: '/socket.io/?EIO=4&transport=websocket',
  subscribe: (subjects) => [
    { after: '', send: '40' },
    // What comes before the server has taken the first costs the connection.
    { after: '40{', send: `42${JSON.stringify(['join', ...subjects])}` },
  ],
  ready: 'READY',
  publish: (subject, payload) => `42${JSON.stringify(['say', subject, payload])}`,
}

/** Of servers that show what a platform can do at all. */
const floor: ClientProtocol = { ...lines, joined: true }

const party: ClientProtocol = { ...lines, path: '/parties/bench/room' }

export const PROTOCOLS = { nats, lines, floor, socketIo, party }
export type ProtocolName = keyof typeof PROTOCOLS

/** Connects a client that wants these subjects. Resolves when the server knows; `data` gets what comes, from the first. */
export async function subscribe(
  url: string,
  name: ProtocolName,
  subjects: readonly string[],
  data: (chunk: Buffer) => void = () => {},
): Promise<Socket> {
  const protocol: ClientProtocol = PROTOCOLS[name]
  const steps = protocol.subscribe(subjects)
  const ready = Promise.withResolvers<void>()
  let isReady = false
  const address = new URL(protocol.path, url).href.replace('http', 'ws')
  const socket: Socket = await openRawSocket(address, (chunk) => {
    if (!isReady) {
      if (steps[0]?.after && chunk.includes(steps[0].after)) step()
      isReady = chunk.includes(protocol.ready)
      if (isReady) ready.resolve()
    }
    if (name === 'nats' && chunk.includes('PING\r\n')) socket.write(encodeFrame('PONG\r\n', true))
    data(chunk)
  })
  const step = () => socket.write(encodeFrame(steps.shift()?.send ?? '', name === 'nats'))
  socket.on('error', () => {})
  if (steps[0]?.after === '') step()
  await ready.promise
  return socket
}
