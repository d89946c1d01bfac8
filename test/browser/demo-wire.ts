import type { Page } from 'playwright-core'

/** One message that the server sent: the first words of a MSG or HMSG. */
export interface WireMessage {
  readonly subject: string
  readonly sid: string
}

/** What a page's WebSockets carry, as the browser saw it. Begin before the page is opened. */
export interface Wire {
  readonly received: WireMessage[]
  /** Control lines that the page sent, such as `SUB flights.*.*.departed 1`. */
  readonly sent: string[]
  /** How many WebSockets there have been. */
  sockets: number
}

/** Listens to the page's WebSockets. */
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

// Payloads are JSON, so no line of theirs looks like one of the protocol's.
function text(payload: string | Buffer): string {
  return typeof payload === 'string' ? payload : payload.toString('latin1')
}
