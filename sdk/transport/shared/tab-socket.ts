import type { LinkSocket } from '../link-socket.ts'
import { type Hello, type Port, toBuffer } from './port.ts'

/** A socket that is somebody else's: what a tab has instead of a WebSocket. */
export function openTabSocket(port: Port, hello: Hello): LinkSocket {
  let hear: LinkSocket['onmessage'] = null
  const socket: LinkSocket = {
    binaryType: '',
    get onmessage() {
      return hear
    },
    // Not before somebody listens: in the same tab the answer is there at once.
    set onmessage(listener) {
      hear = listener
      port.post({ hello })
    },
    onclose: null,
    send: (bytes) => port.post(toBuffer(bytes)),
    close() {
      port.receive = () => {}
      port.post({ closed: { code: 1000, reason: '' } })
    },
  }
  port.receive = (message) => {
    if (message instanceof ArrayBuffer) hear?.({ data: message })
    else if ('closed' in message) socket.onclose?.(message.closed)
  }
  return socket
}
