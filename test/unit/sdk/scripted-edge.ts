import type {
  ConnectionStatus,
  SubscriptionHandler,
  Transport,
  TransportMessage,
} from '../../../sdk/transport/transport.ts'
import { encodeHeaders } from '../../../sdk/wire/headers.ts'
import {
  encodeAckSubject,
  parseReplay,
  REPLAY_STATUS_SUBJECT,
  type ReplayStart,
  replayHeaders,
  replayStatus,
} from '../../../sdk/wire/replay-frames.ts'
import { matchesFilter } from '../../../sdk/wire/subject.ts'
import { createMemoryTransport } from './memory-transport.ts'

interface Follower {
  readonly handler: SubscriptionHandler
  readonly filter: string
  readonly start: ReplayStart
  /** What it was sent and hasn't got. */
  readonly line: TransportMessage[]
  next: number
  /** Sequences that were missing when it opened, which nobody asked for. */
  exempt: ReadonlySet<number>
  isLive: boolean
  /** Told that it ended: nothing more comes. */
  over: boolean
}

/** One stream behind a bridge, as simple as it can be: everything is delivered when the test says so. */
export interface ScriptedEdge {
  readonly transport: Transport
  /** What the stream has, by sequence. */
  readonly messages: ReadonlyMap<number, { readonly subject: string; readonly id: number }>
  readonly last: number
  readonly epoch: string
  /** The epoch that was told last. */
  toldEpoch: string
  /** The cursors of all replays that were asked for. */
  readonly asked: readonly string[]
  publish(subject: string, id: number): void
  remove(seqs: readonly number[]): void
  /** Deletes the stream and makes it again. */
  recreate(): void
  /** The stream forgets what came after `last`. */
  truncate(last: number): void
  /** The next thing that was sent arrives. False: nothing is on its way. */
  deliver(): boolean
  lose(code?: 'connection-lost' | 'upstream-unavailable'): void
  restore(): void
  interrupt(): void
}

export function createScriptedEdge(): ScriptedEdge {
  const listeners = new Set<(status: ConnectionStatus) => void>()
  const followers = new Set<Follower>()
  const messages = new Map<number, { subject: string; id: number }>()
  const asked: string[] = []
  let status: ConnectionStatus = { state: 'open' }
  let last = 0
  let epochs = 1
  let toldEpoch = ''

  const epoch = () => `2026-11-23T09:00:${String(epochs).padStart(2, '0')}Z`
  const firstSeq = () => Math.min(...messages.keys(), last + 1)
  const enter = (next: ConnectionStatus) => {
    status = next
    for (const listener of [...listeners]) listener(next)
  }
  const say = (follower: Follower, code: number, description: string, fields: Record<string, string | number> = {}) => {
    const pairs = Object.entries(fields).map(([name, value]) => [name, String(value)] as const)
    const headerBlock = encodeHeaders(pairs, code, description)
    follower.line.push({ subject: REPLAY_STATUS_SUBJECT, headerBlock, payload: new Uint8Array(), time: Date.now() })
  }
  const opening = (follower: Follower) =>
    say(follower, 100, replayStatus.open, {
      [replayHeaders.stream]: 'S',
      [replayHeaders.epoch]: epoch(),
      [replayHeaders.first]: firstSeq(),
      [replayHeaders.last]: last,
      [replayHeaders.start]: follower.next,
    })
  const matching = (filter: string) =>
    [...messages].filter(([, { subject }]) => matchesFilter(filter, subject)).map(([seq]) => seq)
  const beginning = ({ start, filter }: Follower): number => {
    if (start.at === 'seq') return start.seq
    if (start.at === 'new') return last + 1
    if (start.at === 'last') return matching(filter).at(-1) ?? firstSeq()
    if (start.at === 'count') return matching(filter).at(-start.count) ?? firstSeq()
    return firstSeq()
  }
  const missing = (from: number, to: number) =>
    Array.from({ length: Math.max(to - from + 1, 0) }, (_, i) => from + i).filter((seq) => !messages.has(seq))
  const send = (follower: Follower, seq: number) => {
    const { subject, id } = messages.get(seq) as { subject: string; id: number }
    const reply = encodeAckSubject('S', seq, seq * 1_000, last - seq)
    follower.line.push({ subject, reply, payload: new TextEncoder().encode(JSON.stringify({ id })), time: Date.now() })
  }
  /** Says everything that it should have by now. */
  const pump = (follower: Follower) => {
    if (follower.over) return
    const gone = missing(follower.next, last).filter((seq) => !follower.exempt.has(seq))
    if (gone.length > 0) say(follower, 410, replayStatus.gap, { [replayHeaders.gap]: gone.join(',') })
    follower.exempt = new Set([...follower.exempt, ...gone])
    for (; follower.next <= last; follower.next++) {
      const message = messages.get(follower.next)
      if (message && matchesFilter(follower.filter, message.subject)) send(follower, follower.next)
    }
    if (!follower.isLive) say(follower, 100, replayStatus.live)
    follower.isLive = true
  }
  const anew = () => {
    for (const follower of followers) {
      if (follower.over) continue
      follower.next = Math.min(follower.next, last + 1)
      follower.exempt = new Set(missing(1, last))
      follower.isLive = false
      opening(follower)
      pump(follower)
    }
  }

  const transport: Transport = {
    ...createMemoryTransport(),
    edge: true,
    get status() {
      return status
    },
    onStatus(listener) {
      const own = (next: ConnectionStatus) => listener(next)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    subscribe(subject, handler) {
      const parsed = parseReplay(subject)
      if (!parsed) throw new Error(`not a replay: ${subject}`)
      asked.push(subject)
      const follower: Follower = {
        ...parsed,
        handler,
        line: [],
        next: 0,
        exempt: new Set(),
        isLive: false,
        over: false,
      }
      follower.next = beginning(follower)
      if (parsed.start.at !== 'seq') follower.exempt = new Set(missing(1, last))
      followers.add(follower)
      opening(follower)
      if (parsed.start.at === 'last-per-subject') {
        const newest = new Map(matching(parsed.filter).map((seq) => [messages.get(seq)?.subject, seq]))
        for (const seq of [...newest.values()].sort((a, b) => a - b)) send(follower, seq)
        follower.next = last + 1
      }
      pump(follower)
      const unsubscribe = () => void followers.delete(follower)
      return { ready: Promise.resolve(), unsubscribe, drain: async () => unsubscribe() }
    },
  }
  return {
    transport,
    messages,
    asked,
    get last() {
      return last
    },
    get epoch() {
      return epoch()
    },
    get toldEpoch() {
      return toldEpoch
    },
    set toldEpoch(epoch) {
      toldEpoch = epoch
    },
    publish(subject, id) {
      messages.set(++last, { subject, id })
      for (const follower of followers) pump(follower)
    },
    remove(seqs) {
      for (const seq of seqs) messages.delete(seq)
    },
    recreate() {
      messages.clear()
      last = 0
      epochs++
      anew()
    },
    truncate(to) {
      for (const seq of [...messages.keys()]) if (seq > to) messages.delete(seq)
      last = Math.min(last, to)
      anew()
    },
    deliver() {
      for (const follower of followers) {
        const message = follower.line.shift()
        if (!message) continue
        toldEpoch = /Epoch: (\S+)/.exec(new TextDecoder().decode(message.headerBlock))?.[1] ?? toldEpoch
        follower.handler.message(message)
        return true
      }
      return false
    },
    lose(code = 'connection-lost') {
      if (code === 'connection-lost') followers.clear()
      enter({ state: 'reconnecting', reason: { code, message: '' } })
    },
    restore: () => enter({ state: 'open' }),
    interrupt() {
      for (const follower of followers) {
        if (follower.over) continue
        follower.line.length = 0
        say(follower, 409, replayStatus.interrupted)
        follower.over = true
      }
    },
  }
}
