/**
 * Clients of a real storm, in a separate process: `node storm-clients.ts <order as JSON>`. They are transports of the SDK
 * with its backoff, over a WebSocket with low costs. Prints `ready` when all are live, and after a loss the times at which
 * they were live again, in ms since 1970.
 */
import process from 'node:process'
import type { LinkSocket } from '../../../sdk/transport/link-socket.ts'
import { webSocket } from '../../../sdk/transport/websocket/websocket.ts'
import { encodeFrame, openRawSocket } from '../raw-socket.ts'

export interface StormOrder {
  readonly url: string
  /** Bridge of all connections after the first one of each client. */
  readonly nextUrl: string
  readonly token: string
  readonly from: number
  readonly to: number
}

const { url, nextUrl, token, from, to } = JSON.parse(process.argv[2] ?? '') as StormOrder
let lives = 0
let attempts = 0
const returned: number[] = []

function openSocket(address: string): LinkSocket {
  attempts++
  let end: (() => void) | undefined
  let isClosed = false
  const link: LinkSocket = {
    binaryType: '',
    onmessage: null,
    onclose: null,
    send: () => {},
    close() {
      isClosed = true
      end?.()
    },
  }
  const closed = () => link.onclose?.({ code: 1006, reason: '' })
  openRawSocket(
    lives < to - from ? address : address.replace(url.replace('http', 'ws'), nextUrl.replace('http', 'ws')),
    (chunk) => {
      if (chunk.length > 0)
        link.onmessage?.({ data: chunk.buffer.slice(chunk.byteOffset, chunk.byteOffset + chunk.length) })
    },
  ).then((socket) => {
    end = () => socket.destroy()
    if (isClosed) return socket.destroy()
    link.send = (bytes) => void socket.write(encodeFrame(Buffer.from(bytes), true))
    socket.on('error', () => {})
    socket.once('close', closed)
  }, closed)
  return link
}

for (let id = from; id < to; id++) {
  const transport = webSocket({ url, token, via: 'websocket', openSocket })
  transport.subscribe(`own.${id}`, { message: () => {}, ended: () => {} })
  let isLive = false
  transport.onStatus(({ state }) => {
    if ((state === 'open') === isLive) return
    isLive = state === 'open'
    if (!isLive) return
    if (++lives > to - from) returned.push(Date.now())
    if (lives === to - from) {
      console.log('ready')
      attempts = 0
    }
    if (lives === 2 * (to - from)) console.log(JSON.stringify({ returned, attempts, cpu: process.cpuUsage() }))
  })
  // Opens clients at a pace that does not overload the bridge.
  if (id % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
}
