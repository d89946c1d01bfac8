import type {
  ConnectionStatus,
  SubscriptionHandler,
  Transport,
  TransportMessage,
} from '../../../sdk/transport/transport.ts'
import { splitFilters } from '../../../sdk/wire/filter-list.ts'
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

const isIn = (list: string, subject: string) => splitFilters(list).some((filter) => matchesFilter(filter, subject))

interface Follower {
  readonly handler: SubscriptionHandler
  readonly filter: string
  readonly start: ReplayStart
  /** Messages that are sent and not delivered. */
  readonly inFlight: TransportMessage[]
  next: number
  /** Missing sequences that are not reported: missing when the replay opened, or reported before. */
  ignored: ReadonlySet<number>
  isLive: boolean
  /** Whether it was interrupted. */
  isOver: boolean
}

/** One stream behind a bridge. Each message is delivered by a call of `deliver`. */
export interface ScriptedEdge {
  readonly transport: Transport
  /** Messages of the stream, by sequence. */
  readonly messages: ReadonlyMap<number, { readonly subject: string; readonly id: number }>
  readonly last: number
  readonly epoch: string
  /** The epoch of the last status that was delivered. */
  reportedEpoch: string
  /** Subjects of all replays that were requested. */
  readonly replays: readonly string[]
  publish(subject: string, id: number): void
  remove(seqs: readonly number[]): void
  /** Deletes and recreates the stream. */
  recreate(): void
  /** Removes all messages after `last`, and continues from there. */
  truncate(last: number): void
  /** Delivers the next message. Returns false if none is in flight. */
  deliver(): boolean
  lose(code?: 'connection-lost' | 'upstream-unavailable'): void
  restore(): void
  /** Ends all replays with an interruption. */
  interrupt(): void
}

export function createScriptedEdge(): ScriptedEdge {
  const listeners = new Set<(status: ConnectionStatus) => void>()
  const followers = new Set<Follower>()
  const messages = new Map<number, { subject: string; id: number }>()
  const replays: string[] = []
  let status: ConnectionStatus = { state: 'open' }
  let last = 0
  let epochs = 1
  let reportedEpoch = ''

  const epoch = () => `2026-11-23T09:00:${String(epochs).padStart(2, '0')}Z`
  const firstSeq = () => Math.min(...messages.keys(), last + 1)
  const enter = (next: ConnectionStatus) => {
    status = next
    for (const listener of [...listeners]) listener(next)
  }
  const sendStatus = (
    follower: Follower,
    code: number,
    description: string,
    fields: Record<string, string | number> = {},
  ) => {
    const pairs = Object.entries(fields).map(([name, value]) => [name, String(value)] as const)
    const headerBlock = encodeHeaders(pairs, code, description)
    follower.inFlight.push({ subject: REPLAY_STATUS_SUBJECT, headerBlock, payload: new Uint8Array(), time: Date.now() })
  }
  const sendOpening = (follower: Follower) =>
    sendStatus(follower, 100, replayStatus.open, {
      [replayHeaders.stream]: 'S',
      [replayHeaders.epoch]: epoch(),
      [replayHeaders.first]: firstSeq(),
      [replayHeaders.last]: last,
      [replayHeaders.start]: follower.next,
    })
  const matching = (filter: string) =>
    [...messages].filter(([, { subject }]) => isIn(filter, subject)).map(([seq]) => seq)
  const firstOf = ({ start, filter }: Follower): number => {
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
    follower.inFlight.push({
      subject,
      reply,
      payload: new TextEncoder().encode(JSON.stringify({ id })),
      time: Date.now(),
    })
  }
  /** Sends everything up to the last message of the stream. */
  const pump = (follower: Follower) => {
    if (follower.isOver) return
    const gap = missing(follower.next, last).filter((seq) => !follower.ignored.has(seq))
    if (gap.length > 0) sendStatus(follower, 410, replayStatus.gap, { [replayHeaders.gap]: gap.join(',') })
    follower.ignored = new Set([...follower.ignored, ...gap])
    for (; follower.next <= last; follower.next++) {
      const message = messages.get(follower.next)
      if (message && isIn(follower.filter, message.subject)) send(follower, follower.next)
    }
    if (!follower.isLive) sendStatus(follower, 100, replayStatus.live)
    follower.isLive = true
  }
  const restart = () => {
    for (const follower of followers) {
      if (follower.isOver) continue
      follower.next = Math.min(follower.next, last + 1)
      follower.ignored = new Set(missing(1, last))
      follower.isLive = false
      sendOpening(follower)
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
      if (!parsed) throw new Error(`Not a replay: ${subject}`)
      replays.push(subject)
      const follower: Follower = {
        ...parsed,
        handler,
        inFlight: [],
        next: 0,
        ignored: new Set(),
        isLive: false,
        isOver: false,
      }
      follower.next = firstOf(follower)
      if (parsed.start.at !== 'seq') follower.ignored = new Set(missing(1, last))
      followers.add(follower)
      sendOpening(follower)
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
    replays,
    get last() {
      return last
    },
    get epoch() {
      return epoch()
    },
    get reportedEpoch() {
      return reportedEpoch
    },
    set reportedEpoch(epoch) {
      reportedEpoch = epoch
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
      restart()
    },
    truncate(to) {
      for (const seq of [...messages.keys()]) if (seq > to) messages.delete(seq)
      last = Math.min(last, to)
      restart()
    },
    deliver() {
      for (const follower of followers) {
        const message = follower.inFlight.shift()
        if (!message) continue
        reportedEpoch = /Epoch: (\S+)/.exec(new TextDecoder().decode(message.headerBlock))?.[1] ?? reportedEpoch
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
        if (follower.isOver) continue
        follower.inFlight.length = 0
        sendStatus(follower, 409, replayStatus.interrupted)
        follower.isOver = true
      }
    },
  }
}
