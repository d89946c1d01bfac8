import fc from 'fast-check'
import { afterEach, expect, it, vi } from 'vitest'
import { defaultLimits } from '../../../../bridge/auth/limits.ts'
import { createEmbeddedUpstream } from '../../../../bridge/broker/embedded.ts'
import type { Client } from '../../../../bridge/delivery/client.ts'
import { HeldMessages } from '../../../../bridge/delivery/held-messages.ts'
import { ReplyGrants } from '../../../../bridge/delivery/reply-grants.ts'
import type { FrameSink } from '../../../../bridge/delivery/send-queue.ts'
import { SubjectScope } from '../../../../bridge/delivery/subject-scope.ts'
import { Subscription, type SubscriptionOwner } from '../../../../bridge/delivery/subscription.ts'
import { Feeds } from '../../../../bridge/replay/feeds.ts'
import { createJetStreamLink, Requests } from '../../../../bridge/upstream/requests.ts'
import { JetStreamApi } from '../../../../sdk/jetstream/api.ts'
import { parseHeaders } from '../../../../sdk/wire/headers.ts'
import { encodeReplay, parseAckSubject, type ReplayStart, replayStatus } from '../../../../sdk/wire/replay-frames.ts'
import { clip, formatRanges, missingFrom, subtract } from '../../../../sdk/wire/sequence-ranges.ts'
import { createServerReader, type ServerMessage } from '../../../../sdk/wire/server-reader.ts'
import { eventually } from '../../../support/eventually.ts'

const everything = { allow: ['>'], deny: [] }
const scope = new SubjectScope(undefined, 'key')
const openClient: Client = {
  id: 'client',
  identity: { user: '', permissions: { publish: everything, subscribe: everything } },
  scope,
  replies: new ReplyGrants(scope, undefined, Date.now),
  flags: { verbose: false, pedantic: false, echo: true, headers: true, noResponders: true },
}

/** A client that reads on demand, and keeps all frames. */
class ModelClient implements SubscriptionOwner, FrameSink {
  readonly branch = undefined
  readonly client = openClient
  readonly sendQueue = this
  readonly seqs: number[] = []
  readonly gone: number[] = []
  readonly statuses: string[] = []
  readonly held = new HeldMessages(0, () => {})
  unread = 0
  slow = false
  #waiting: Array<() => void> = []

  share(): boolean {
    return false
  }

  write(frame: Uint8Array): void {
    if (this.slow) this.unread += frame.length
    createServerReader({
      message: (_, message) => this.#take(message),
      operation(verb) {
        throw new Error(verb)
      },
    })(frame)
  }
  #take({ reply = '', headerBlock = new Uint8Array() }: ServerMessage): void {
    const ack = parseAckSubject(reply)
    if (ack) return void this.seqs.push(ack.seq)
    const { description = '', fields } = parseHeaders(headerBlock)
    this.statuses.push(description)
    if (description !== replayStatus.gap) return
    for (const range of (fields[0]?.[1] ?? '').split(',')) {
      const [from = 0, to = from] = range.split('-').map(Number)
      for (let seq = from; seq <= to; seq++) this.gone.push(seq)
    }
  }
  whenRead(_below: number, run: () => void): void {
    this.#waiting.push(run)
  }
  read(): void {
    this.unread = 0
    for (const run of this.#waiting.splice(0)) run()
  }
  ended(): void {}
  changed(): void {}
}

interface Follower {
  readonly client: ModelClient
  readonly start: number
  /** Sequences that were missing before the replay, and are not reported. */
  readonly exempt: ReadonlySet<number>
}

type Step =
  | { readonly do: 'publish'; readonly count: number }
  | { readonly do: 'purge'; readonly share: number }
  | { readonly do: 'delete'; readonly share: number }
  | { readonly do: 'follow'; readonly all: boolean; readonly share: number; readonly slow: boolean }
  | { readonly do: 'read' }

const share = fc.double({ min: 0, max: 1, noNaN: true })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 25 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('purge' as const), share }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), share }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('follow' as const), all: fc.boolean(), share, slow: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'read' as const }) },
)

// Without the cache of the stream's start, which clients of the same moment share.
const realNow = Date.now
let skipped = 0
afterEach(() => vi.restoreAllMocks())

async function play(steps: readonly Step[]): Promise<void> {
  const upstream = createEmbeddedUpstream()
  const requests = new Requests(upstream)
  // Small, so that rings overflow, pages are read, and slow clients fall back.
  const limits = { ...defaultLimits, replayRing: { messages: 8, bytes: 1e6 }, maxPending: 4_000 }
  const api = new JetStreamApi(createJetStreamLink(upstream, requests))
  const feeds = new Feeds(api, limits, () => 0)
  await api.createStream({ name: 'S', subjects: ['s'], storage: 'memory' })
  const existing = new Set<number>()
  let last = 0
  const followers: Follower[] = []
  const ask = (action: string, body: object) =>
    requests.request({ subject: `$JS.API.${action}`, payload: new TextEncoder().encode(JSON.stringify(body)) }, 5_000)
  const chosen = (part: number) => [...existing][Math.floor(part * (existing.size - 1))]
  for (const given of steps) {
    if (given.do === 'publish') {
      for (let i = 0; i < given.count; i++) {
        upstream.publish({ subject: 's', payload: new Uint8Array(100) })
        existing.add(++last)
      }
      await upstream.flush()
    } else if (given.do === 'purge') {
      const to = chosen(given.share)
      if (to === undefined) continue
      await ask('STREAM.PURGE.S', { seq: to + 1 })
      for (const seq of existing) if (seq <= to) existing.delete(seq)
    } else if (given.do === 'delete') {
      const seq = chosen(given.share)
      if (seq === undefined) continue
      await ask('STREAM.MSG.DELETE.S', { seq })
      existing.delete(seq)
    } else if (given.do === 'read') {
      for (const { client } of followers) client.read()
    } else {
      skipped += 1_000
      const client = new ModelClient()
      client.slow = given.slow
      const seq = 1 + Math.floor(given.share * last)
      const start: ReplayStart = given.all ? { at: 'all' } : { at: 'seq', seq }
      const op = { sid: `${followers.length}`, subject: encodeReplay(start, 's'), queue: undefined }
      const missing = Array.from({ length: last }, (_, index) => index + 1).filter((one) => !existing.has(one))
      followers.push({
        client,
        start: given.all ? 1 : seq,
        exempt: new Set(given.all ? missing : []),
      })
      feeds.add(new Subscription(client, feeds, op, { filter: 's' }))
      await eventually(() => client.statuses.includes(replayStatus.open), { what: 'the opening' })
    }
  }
  for (const { client, start, exempt } of followers) {
    client.slow = false
    const covered = () => new Set([...client.seqs, ...client.gone, ...exempt])
    const wanted = Array.from({ length: Math.max(0, last - start + 1) }, (_, index) => start + index)
    await eventually(
      () => {
        client.read()
        const has = covered()
        return wanted.every((seq) => has.has(seq))
      },
      { what: `${start} to ${last}; it has ${client.seqs}, and ${client.gone} as missing` },
    )
    expect(client.seqs, 'in order, each once').toEqual([...new Set(client.seqs)].sort((a, b) => a - b))
    expect(client.gone, 'reported once').toEqual([...new Set(client.gone)])
    expect(
      client.gone.filter((seq) => client.seqs.includes(seq) || exempt.has(seq)),
      'reported without need',
    ).toEqual([])
    for (const seq of client.gone) expect(existing.has(seq), `${seq} exists`).toBe(false)
  }
  feeds.close()
  await upstream.close()
}

it('a replay delivers every message from its start once and in order, or reports it as missing', async () => {
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + skipped)
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), play), { numRuns: 200 })
}, 120_000)

it('ranges of sequences behave like sets', () => {
  const seqs = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 20 })
  const toRanges = (deleted: readonly number[]) => missingFrom({ firstSeq: 1, lastSeq: 40, deleted })
  const toSet = (ranges: ReturnType<typeof toRanges>) =>
    ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index))
  fc.assert(
    fc.property(seqs, seqs, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (a, b, from, to) => {
      const sorted = (list: readonly number[]) => [...list].sort((x, y) => x - y)
      expect(toSet(toRanges(a))).toEqual(sorted(a))
      expect(toSet(subtract(toRanges(a), toRanges(b)))).toEqual(sorted(a.filter((seq) => !b.includes(seq))))
      expect(toSet(clip(toRanges(a), from, to))).toEqual(sorted(a.filter((seq) => seq >= from && seq <= to)))
    }),
  )
  expect(missingFrom({ firstSeq: 8, lastSeq: 7, deleted: [] })).toEqual([{ from: 1, to: 7 }])
  expect(
    formatRanges([
      { from: 1, to: 7 },
      { from: 9, to: 9 },
    ]),
  ).toBe('1-7,9')
})
