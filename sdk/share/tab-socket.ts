import type { LinkSocket } from '../transport/link.ts'
import { type Hello, type Port, toBuffer } from './port.ts'

/** A socket that is somebody else's: what a tab has instead of a WebSocket. */
export function openTabSocket(port: Port, hello: Hello): LinkSocket {
  const socket: LinkSocket = {
    binaryType: '',
    onmessage: null,
    onclose: null,
    send: (bytes) => port.post(toBuffer(bytes)),
    close() {
      port.receive = () => {}
      port.post({ closed: { code: 1000, reason: '' } })
    },
  }
  port.receive = (message) => {
    if (message instanceof ArrayBuffer) socket.onmessage?.({ data: message })
    else if ('closed' in message) socket.onclose?.(message.closed)
  }
  port.post({ hello })
  return socket
}
