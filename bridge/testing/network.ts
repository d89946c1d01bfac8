import type { LinkSocket } from '../../sdk/transport/link-socket.ts'
import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'

/** The network between clients and a test bridge. Messages arrive in order, without delay. */
export interface TestNetwork {
  /** Ends all connections. Clients notice it at once, and reconnect. */
  drop(): void
  /** Ends all connections, and refuses new ones until `heal`. */
  down(): void
  /**
   * Holds all messages in both directions, and keeps connections open. Clients notice it by unanswered PINGs. Messages
   * arrive after `heal`, as with TCP, if their connection is still open.
   */
  partition(): void
  /** Ends `down` and `partition`. */
  heal(): void
}

/** A network, with the operations of the test bridge. */
export interface Network extends TestNetwork {
  dial(): LinkSocket
  /** Ends all connections, as when the hub's process is killed. */
  kill(): void
}

/** A connection that ended without a closing handshake. Source: RFC 6455, 7.1.5. */
const ABNORMAL = { code: 1006, reason: '' }

interface Line {
  flow(): void
  /** Ends both ends. */
  cut(): void
  /** Ends the client's end. The hub no longer exists. */
  kill(): void
}

/** @param accept accepts a connection at the hub; @param moved called for each arrival */
export function createNetwork(accept: (socket: ClientSocket) => ClientConnection, moved: () => void): Network {
  const lines = new Set<Line>()
  let state: 'up' | 'down' | 'partitioned' = 'up'

  function dial(): LinkSocket {
    const socket: LinkSocket = { binaryType: '', onmessage: null, onclose: null, send, close }
    let connection: ClientConnection | undefined
    let isPaused = false
    const toHub = createLane(() => state === 'up' && !isPaused, moved)
    const toClient = createLane(() => state !== 'partitioned', moved)
    const end = () => {
      toHub.clear()
      toClient.clear()
      lines.delete(line)
      connection?.closed()
      connection = undefined
    }
    const lost = (event: { code: number; reason: string }) => {
      end()
      socket.onclose?.(event)
    }
    const line: Line = {
      flow() {
        toHub.flow()
        toClient.flow()
      },
      cut: () => lost(ABNORMAL),
      kill() {
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
      toHub.send(end)
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
    kill() {
      for (const line of [...lines]) line.kill()
    },
  }
}

/** One direction of a connection. Messages arrive in order, asynchronously, while the network lets them pass. */
interface Lane {
  send(deliver: () => void): void
  /** Continues after a partition or a pause. */
  flow(): void
  /** Drops messages that have not arrived. */
  clear(): void
}

/** @param mayPass whether messages can pass now; @param moved called for each arrival */
function createLane(mayPass: () => boolean, moved: () => void): Lane {
  let waiting: Array<() => void> = []
  let isScheduled = false
  const flow = () => {
    if (isScheduled || waiting.length === 0 || !mayPass()) return
    isScheduled = true
    // A promise, because test runners fake timers, and some fake `queueMicrotask`.
    Promise.resolve().then(() => {
      isScheduled = false
      for (let deliver = next(); deliver; deliver = next()) {
        moved()
        deliver()
      }
    })
  }
  const next = () => (mayPass() ? waiting.shift() : undefined)
  return {
    send(deliver) {
      waiting.push(deliver)
      flow()
    },
    flow,
    clear() {
      waiting = []
    },
  }
}
