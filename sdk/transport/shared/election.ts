import { randomToken } from '../../kit/ids.ts'
import type { LinkSocket } from '../link-socket.ts'
import { createHost, type Host } from './host.ts'
import type { Hello, Port, PortMessage } from './port.ts'
import { openTabSocket } from './tab-socket.ts'

/** On the channel: the leader says that it is one, or a port's message, to the leader or from it. */
type Notice = { readonly leader: true } | { readonly id: string; readonly up: boolean; readonly message: PortMessage }

/** What a tab has of the election: one of them leads and has the connection, and the next one follows it. */
interface Room {
  open(hello: Hello): LinkSocket
}

const rooms = new Map<string, Room>()

/** A socket at the tab that leads, which may be this one. Browsers don't freeze a tab that holds a lock. */
export function joinByElection(name: string, hello: Hello): LinkSocket {
  const room = rooms.get(name) ?? enter(name)
  rooms.set(name, room)
  return room.open(hello)
}

function enter(name: string): Room {
  const channel = new BroadcastChannel(name)
  /** Of this tab's sockets. */
  const ports = new Map<string, { port: Port; hello: Hello; greeted: boolean }>()
  /** Of all tabs, if this one leads. */
  const hosted = new Map<string, Port>()
  let host: Host | undefined

  /** To whoever it is for, here or in another tab. */
  const pass = (notice: Notice) => {
    channel.postMessage(notice)
    queueMicrotask(() => take(notice))
  }
  const accept = (id: string) => {
    const port: Port = {
      post(message) {
        if (!(message instanceof ArrayBuffer) && 'closed' in message) hosted.delete(id)
        pass({ id, up: false, message })
      },
      receive: () => {},
    }
    hosted.set(id, port)
    host?.accept(port)
    return port
  }

  function take(notice: Notice): void {
    if ('leader' in notice) return led()
    const { id, up, message } = notice
    if (up && host) {
      // Asked again by who heard of the new leader before its answer: it is in already.
      if (!(message instanceof ArrayBuffer) && 'hello' in message) hosted.has(id) || accept(id).receive(message)
      else hosted.get(id)?.receive(message)
      if (!(message instanceof ArrayBuffer) && 'closed' in message) hosted.delete(id)
    } else if (!up) {
      const own = ports.get(id)
      if (!own) return
      own.greeted = true
      if (!(message instanceof ArrayBuffer) && 'closed' in message) ports.delete(id)
      own.port.receive(message)
    }
  }

  /** There is a new leader. Whoever had a connection has lost it; whoever waits for one asks again. */
  function led(): void {
    for (const [id, { port, hello, greeted }] of [...ports]) {
      if (!greeted) {
        port.post({ hello })
        continue
      }
      ports.delete(id)
      port.receive({ closed: { code: 1006, reason: 'the tab that had the connection is gone' } })
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
          if (!(message instanceof ArrayBuffer) && 'closed' in message) ports.delete(id)
          pass({ id, up: true, message })
        },
        receive: () => {},
      }
      ports.set(id, { port, hello, greeted: false })
      return openTabSocket(port, hello)
    },
  }
}
