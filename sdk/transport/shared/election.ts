import { randomToken } from '../../kit/ids.ts'
import type { LinkSocket } from '../link-socket.ts'
import { createHost, type Host } from './host.ts'
import { type Hello, isClosed, type Port, type PortMessage } from './port.ts'
import { openTabSocket } from './tab-socket.ts'

/** A message on the channel: a tab announces that it is the leader, or a port's message to (`up`) or from the leader. */
type Notice = { readonly leader: true } | { readonly id: string; readonly up: boolean; readonly message: PortMessage }

/** An election among tabs. The leader hosts the connection. When it ends, another tab becomes the leader. */
interface Room {
  open(hello: Hello): LinkSocket
}

const rooms = new Map<string, Room>()

/** Opens a socket to the leader, which may be this tab. Browsers do not freeze a tab that holds a lock. */
export function joinByElection(name: string, hello: Hello): LinkSocket {
  const room = rooms.get(name) ?? enter(name)
  rooms.set(name, room)
  return room.open(hello)
}

function enter(name: string): Room {
  const channel = new BroadcastChannel(name)
  /** Ports of this tab's sockets. */
  const ports = new Map<string, { port: Port; hello: Hello; greeted: boolean }>()
  /** Ports of all tabs, if this tab is the leader. */
  const hosted = new Map<string, Port>()
  let host: Host | undefined

  /** Sends a notice to its receiver, in this tab or another one. */
  const pass = (notice: Notice) => {
    channel.postMessage(notice)
    queueMicrotask(() => take(notice))
  }
  const accept = (id: string) => {
    const port: Port = {
      post(message) {
        if (isClosed(message)) hosted.delete(id)
        pass({ id, up: false, message })
      },
      receive: () => {},
    }
    hosted.set(id, port)
    host?.accept(port)
    return port
  }

  function take(notice: Notice): void {
    if ('leader' in notice) return leaderChanged()
    const { id, up, message } = notice
    if (up && host) {
      // A tab that saw the new leader before its answer sends `hello` again.
      if (!(message instanceof ArrayBuffer) && 'hello' in message) hosted.has(id) || accept(id).receive(message)
      else hosted.get(id)?.receive(message)
      if (isClosed(message)) hosted.delete(id)
    } else if (!up) {
      const own = ports.get(id)
      if (!own) return
      own.greeted = true
      if (isClosed(message)) ports.delete(id)
      own.port.receive(message)
    }
  }

  /** Another tab is the leader. Open connections are lost, and waiting sockets send `hello` again. */
  function leaderChanged(): void {
    for (const [id, { port, hello, greeted }] of [...ports]) {
      if (!greeted) {
        port.post({ hello })
        continue
      }
      ports.delete(id)
      port.receive({ closed: { code: 1006, reason: 'the tab that hosted the connection has ended' } })
    }
  }

  channel.onmessage = ({ data }: MessageEvent<Notice>) => take(data)
  void navigator.locks.request(name, () => {
    host = createHost()
    pass({ leader: true })
    return new Promise(() => {})
  })

  return {
    open(hello) {
      const id = randomToken(16)
      const port: Port = {
        post: (message) => {
          if (isClosed(message)) ports.delete(id)
          pass({ id, up: true, message })
        },
        receive: () => {},
      }
      ports.set(id, { port, hello, greeted: false })
      return openTabSocket(port, hello)
    },
  }
}
