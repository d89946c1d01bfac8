import type { Socket } from 'node:net'
import { encodeFrame, openRawSocket } from './raw-socket.ts'

/** The subscription protocol of a system. */
export interface ClientProtocol {
  /** Suffix of the address. */
  readonly path: string
  /** WebSocket messages of a client. Each is sent after the client has received `after`. */
  subscribe(subjects: readonly string[]): Array<{ readonly after: string; readonly send: string }>
  /** Confirms that all subscriptions are live. */
  readonly ready: string
  /** Encodes a publish, for systems without another publisher. */
  publish?(subject: string, payload: string): string
  /** Joins the publishes of a turn into one WebSocket message, which is cheap to read. */
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

/** Protocol of the servers written for this benchmark: one line joins, another one publishes. */
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
    // The server closes the connection if more bytes arrive before it has processed the first message.
    { after: '40{', send: `42${JSON.stringify(['join', ...subjects])}` },
  ],
  ready: 'READY',
  publish: (subject, payload) => `42${JSON.stringify(['say', subject, payload])}`,
}

/** Protocol of the servers that measure the floor of a platform. */
const floor: ClientProtocol = { ...lines, joined: true }

const party: ClientProtocol = { ...lines, path: '/parties/bench/room' }

export const PROTOCOLS = { nats, lines, floor, socketIo, party }
export type ProtocolName = keyof typeof PROTOCOLS

/** Connects and subscribes a client. Resolves when its subscriptions are live. `data` is called with all bytes. */
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
