import type { LinkSocket } from '../../sdk/transport/link-socket.ts'
import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import { createLane } from './lane.ts'

/** The network between clients and a test bridge. It has no delay of its own: what is sent arrives at once, in order. */
export interface TestNetwork {
  /** Cuts every connection. Clients notice at once and come back by themselves. */
  drop(): void
  /** Cuts every connection, and lets none be made until `heal`. */
  down(): void
  /**
   * Nothing gets through in either direction, and nothing closes: clients notice by their pings. What is sent meanwhile
   * arrives after `heal`, as with TCP, if the connection is still there.
   */
  partition(): void
  /** All is well again. */
  heal(): void
}

/** A network, from within. */
export interface Network extends TestNetwork {
  dial(): LinkSocket
  /** The hub's process is gone: its connections end without a word. */
  killed(): void
}

/** A connection that ended without a closing handshake. Source: RFC 6455, 7.1.5. */
const ABNORMAL = { code: 1006, reason: '' }

interface Line {
  flow(): void
  /** Both ends learn that it is gone. */
  cut(): void
  /** The hub's end is gone. */
  killed(): void
}

/** @param accept the hub's door; @param moved told of everything that arrives */
export function createNetwork(accept: (socket: ClientSocket) => ClientConnection, moved: () => void): Network {
  const lines = new Set<Line>()
  let state: 'up' | 'down' | 'partitioned' = 'up'

  function dial(): LinkSocket {
    const socket: LinkSocket = { binaryType: '', onmessage: null, onclose: null, send, close }
    let connection: ClientConnection | undefined
    let isPaused = false
    const toHub = createLane(() => state === 'up' && !isPaused, moved)
    const toClient = createLane(() => state !== 'partitioned', moved)
    const gone = () => {
      toHub.clear()
      toClient.clear()
      lines.delete(line)
      connection?.closed()
      connection = undefined
    }
    const lost = (event: { code: number; reason: string }) => {
      gone()
      socket.onclose?.(event)
    }
    const line: Line = {
      flow() {
        toHub.flow()
        toClient.flow()
      },
      cut: () => lost(ABNORMAL),
      killed() {
        connection = undefined
        toHub.clear()
        toClient.clear()
        toClient.send(() => lost(ABNORMAL))
      },
    }
    function send(bytes: Uint8Array): void {
      const copy = bytes.slice()
      toHub.send(() => connection?.receive(copy))
    }
    function close(): void {
      socket.onclose = socket.onmessage = null
      toHub.send(gone)
    }
    lines.add(line)
    if (state === 'down') toClient.send(() => lost(ABNORMAL))
    else
      toHub.send(() => {
        connection = accept({
          send(bytes) {
            const { buffer } = bytes.slice()
            toClient.send(() => socket.onmessage?.({ data: buffer }))
          },
          close: (code, reason) => toClient.send(() => lost({ code, reason })),
          pause() {
            isPaused = true
          },
          resume() {
            isPaused = false
            toHub.flow()
          },
        })
      })
    return socket
  }

  const enter = (next: typeof state) => {
    state = next
    for (const line of lines) line.flow()
  }
  const drop = () => {
    for (const line of [...lines]) line.cut()
  }
  return {
    dial,
    drop,
    down() {
      enter('down')
      drop()
    },
    partition: () => enter('partitioned'),
    heal: () => enter('up'),
    killed() {
      for (const line of [...lines]) line.killed()
    },
  }
}
