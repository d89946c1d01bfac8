import type { Page } from 'playwright-core'

/** One message from the server: the first words of a MSG or HMSG. */
export interface WireMessage {
  readonly subject: string
  readonly sid: string
}

/** Records the traffic of a page's WebSockets in the browser. Start it before the page is opened. */
export interface Wire {
  readonly received: WireMessage[]
  /** Control lines that the page sent, such as `SUB flights.*.*.departed 1`. */
  readonly sent: string[]
  /** Number of WebSockets so far. */
  sockets: number
}

/** Records the WebSockets of a page. */
export function tapWire(page: Page): Wire {
  const wire: Wire = { received: [], sent: [], sockets: 0 }
  page.on('websocket', (socket) => {
    wire.sockets++
    socket.on('framereceived', ({ payload }) => {
      for (const [, subject = '', sid = ''] of text(payload).matchAll(/^H?MSG (\S+) (\S+) /gm)) {
        wire.received.push({ subject, sid })
      }
    })
    socket.on('framesent', ({ payload }) => {
      for (const [line] of text(payload).matchAll(/^(SUB|UNSUB) .*$/gm)) wire.sent.push(line.trim())
    })
  })
  return wire
}

// Payloads are JSON, so their lines differ from protocol lines.
function text(payload: string | Buffer): string {
  return typeof payload === 'string' ? payload : payload.toString('latin1')
}
