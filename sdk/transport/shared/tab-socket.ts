import type { LinkSocket } from '../link-socket.ts'
import { type Hello, isClosed, type Port, toBuffer } from './port.ts'

/** Opens a socket on the shared connection, which replaces a WebSocket. */
export function openTabSocket(port: Port, hello: Hello): LinkSocket {
  let onmessage: LinkSocket['onmessage'] = null
  const socket: LinkSocket = {
    binaryType: '',
    get onmessage() {
      return onmessage
    },
    // After the listener was set: the answer of a host in the same tab arrives immediately.
    set onmessage(listener) {
      onmessage = listener
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
    if (message instanceof ArrayBuffer) onmessage?.({ data: message })
    else if (isClosed(message)) socket.onclose?.(message.closed)
  }
  return socket
}
