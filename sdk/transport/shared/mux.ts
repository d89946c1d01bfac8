import { CRLF, decode, encodeFrame } from '../../wire/bytes.ts'
import { encodeSubscribe, encodeUnsubscribe } from '../../wire/client-op.ts'
import { encodeError, encodeMessage } from '../../wire/server-op.ts'
import { createServerReader } from '../../wire/server-reader.ts'
import type { LinkSocket } from '../link-socket.ts'
import { createEvidence, probing } from '../sse/detour.ts'
import { SseSocket } from '../sse/sse-socket.ts'
import { type Ending, type Hello, isClosed, type Port, toBuffer } from './port.ts'

/** One connection for many tabs. */
export interface Mux {
  /** Adds a tab. */
  join(port: Port): void
  /** Removes a tab that has ended. */
  leave(port: Port): void
}

/** A tab with the sids of its subscriptions. */
interface Tab {
  readonly port: Port
  readonly id: number
  readonly sids: Set<string>
  /** Sids that ended since the last PING. Messages on their way arrive before the PONG. */
  over: string[]
  connected: boolean
}

/** A PING without a PONG. `tab` is undefined if the tab has ended. `over` contains sids that end with the PONG. */
interface Ping {
  readonly tab: Tab | undefined
  readonly over: readonly string[]
}

/**
 * Multiplexes the NATS protocol of several clients over one connection. It translates sids, sends each PONG to the tab of
 * the PING, and INFO and -ERR to all tabs. The CONNECT of the first tab opens the connection, so all tabs must have the same
 * user. New tokens of each tab are forwarded. When the connection is lost, all tabs are closed, and connect again.
 * @param retire called when the tabs have to leave. New tabs then need a new connection
 */
export function createMux({ url, via, cookies = false }: Omit<Hello, 'lock'>, retire: () => void): Mux {
  const evidence = createEvidence(url, via)
  const tabs = new Map<Port, Tab>()
  /** PINGs without a PONG, in the order in which they were sent. */
  let pings: Ping[] = []
  let socket: LinkSocket | undefined
  let dialling = false
  let connected = false
  let info: string | undefined
  let failures = 0
  let lastId = 0

  const toInfo = (text: string) => encodeFrame(`INFO ${text}`)
  const send = ({ port }: Tab, bytes: Uint8Array) => port.post(toBuffer(bytes))
  const write = (bytes: Uint8Array) => socket?.send(bytes as Uint8Array<ArrayBuffer>)

  async function dial(): Promise<void> {
    dialling = true
    let next: LinkSocket | undefined
    try {
      next = await open()
    } catch {
      lost({ code: 1006, reason: '' })
    }
    dialling = false
    if (!next) return
    if (tabs.size === 0) return next.close()
    const current = next
    socket = current
    socket.onleave = () => leave(info)
    socket.binaryType = 'arraybuffer'
    const read = createServerReader({
      message(sid, { subject, reply, headerBlock, payload }) {
        const dot = sid.indexOf('.')
        const own = sid.slice(dot + 1)
        for (const tab of tabs.values()) {
          if (`${tab.id}` === sid.slice(0, dot) && tab.sids.has(own))
            send(tab, encodeMessage(subject, own, payload.slice(), { reply, headers: headerBlock }))
        }
      },
      operation(verb, text) {
        if (verb === 'PING') write(encodeFrame('PONG'))
        else if (verb === 'PONG') answer(pings.shift())
        else if (verb === 'INFO') greet(text)
        else if (verb === '-ERR') for (const tab of tabs.values()) send(tab, encodeError(text))
      },
    })
    socket.onmessage = ({ data }: { data: ArrayBuffer }) => {
      try {
        if (socket === current) read(new Uint8Array(data))
      } catch {
        current.close()
        lost({ code: 1002, reason: 'no NATS' })
      }
    }
    socket.onclose = (ending: Ending) => {
      if (socket === current) lost({ code: ending.code, reason: ending.reason })
    }
  }

  function answer({ tab, over }: Ping = { tab: undefined, over: [] }): void {
    failures = 0
    if (!tab) return
    for (const sid of over) tab.sids.delete(sid)
    send(tab, encodeFrame('PONG'))
  }

  function greet(next: string): void {
    info = next
    if (JSON.parse(next).ldm) retire()
    for (const tab of tabs.values()) send(tab, toInfo(next))
  }

  /** A WebSocket can be opened again: the tabs leave, as after a lame duck INFO. */
  function leave(last: string | undefined): void {
    if (last) greet(JSON.stringify({ ...JSON.parse(last), ldm: true }))
  }

  /** Opens the same kind of socket as a client with its own connection. */
  async function open(): Promise<LinkSocket> {
    const dialled = () => new WebSocket(url) as LinkSocket
    if (via === 'websocket' || !(await evidence.weigh(failures)).isBlocked) return dialled()
    const socket = new SseSocket(url, { cookies })
    return via === 'sse' ? socket : probing(socket, url, dialled)
  }

  function lost(closed: Ending): void {
    failures++
    const all = [...tabs.keys()]
    tabs.clear()
    forget()
    for (const port of all) port.post({ closed })
  }

  function forget(): void {
    socket = info = undefined
    connected = false
    pings = []
  }

  /** Forwards one operation of a tab. `frame` is the whole operation. */
  function perform(tab: Tab, line: string, frame: Uint8Array): void {
    const [verb, ...args] = line.split(' ')
    const last = args.at(-1) ?? ''
    switch (verb) {
      case 'CONNECT':
        // The first CONNECT of a tab repeats the connection's. A later one has a new token.
        if (!connected || tab.connected) write(frame)
        connected = tab.connected = true
        return
      case 'SUB':
        tab.sids.add(last)
        return write(encodeSubscribe(args[0] as string, `${tab.id}.${last}`, args[2] && args[1]))
      case 'UNSUB':
        tab.over.push(args[0] as string)
        return write(encodeUnsubscribe(`${tab.id}.${args[0]}`))
      case 'PING':
        pings.push({ tab, over: tab.over.splice(0) })
        return write(frame)
      case 'PUB':
      case 'HPUB':
        return write(frame)
    }
  }

  function take(tab: Tab, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(10, at) + 1
      const line = decode(bytes.subarray(at, end - CRLF.length))
      const size = /^H?PUB /.test(line) ? Number(line.slice(line.lastIndexOf(' ') + 1)) + 2 : 0
      perform(tab, line, bytes.slice(at, end + size))
      at = end + size
    }
  }

  return {
    join(port) {
      const tab: Tab = { port, id: ++lastId, sids: new Set(), over: [], connected: false }
      tabs.set(port, tab)
      port.receive = (message) => {
        if (message instanceof ArrayBuffer) {
          if (tabs.get(port) === tab) take(tab, new Uint8Array(message))
        } else if (isClosed(message)) {
          this.leave(port)
        }
      }
      if (info) send(tab, toInfo(info))
      else if (!socket && !dialling) void dial()
    },
    leave(port) {
      const tab = tabs.get(port)
      if (!tab) return
      tabs.delete(port)
      pings = pings.map((ping) => (ping.tab === tab ? { tab: undefined, over: [] } : ping))
      for (const sid of tab.sids) write(encodeUnsubscribe(`${tab.id}.${sid}`))
      if (tabs.size > 0) return
      const last = socket
      forget()
      last?.close()
    },
  }
}
