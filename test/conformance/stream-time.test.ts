/** Time to live, schedules and atomic batches of JetStream (ADR-43, 50, 51): the embedded broker does as nats-server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEmbeddedBroker } from '../../bridge/broker/embedded.ts'
import { createUpstream } from '../../bridge/hosts/upstream-url.ts'
import type { Upstream } from '../../bridge/upstream/upstream.ts'
import { encodeHeaders } from '../../sdk/wire/headers.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'

type Json = Record<string, unknown>
interface Fixture extends AsyncDisposable {
  readonly upstream: Upstream
  readonly isOld: boolean
}

const fixtures: Record<string, () => Promise<Fixture>> = {
  async embedded() {
    const broker = createEmbeddedBroker()
    return {
      upstream: broker.connect(),
      isOld: false,
      [Symbol.asyncDispose]: async () => broker.close(),
    }
  },
  async 'nats-server'() {
    const server = await startNatsServer({ jetstream: true })
    return {
      upstream: createUpstream(server.url),
      isOld: Number(server.version.split('.')[1]) < 14,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
}

describe.each(Object.entries(fixtures))('%s', (_, start) => {
  let fixture: Fixture
  let count = 0
  beforeAll(async () => {
    fixture = await start()
    await eventually(() => fixture.upstream.state === 'open')
  })
  afterAll(async () => {
    await fixture?.upstream.close()
    await fixture?.[Symbol.asyncDispose]()
  })

  /** Sends a request. Resolves with the text of the first reply. */
  async function ask(subject: string, payload = '', fields: Record<string, string> = {}): Promise<string> {
    const { upstream } = fixture
    const reply = `_INBOX.time.${++count}`
    const { promise, resolve } = Promise.withResolvers<string>()
    const end = upstream.subscribe(reply, undefined, (message) => resolve(new TextDecoder().decode(message.payload)))
    const headers = Object.keys(fields).length > 0 ? encodeHeaders(Object.entries(fields)) : undefined
    upstream.publish({ subject, reply, payload: new TextEncoder().encode(payload), ...(headers && { headers }) })
    const text = await promise
    end()
    return text
  }
  const api = async (verb: string, body: Json = {}): Promise<Json> =>
    JSON.parse(await ask(`$JS.API.${verb}`, JSON.stringify(body)))
  const errorOf = (text: string) => (text === '' ? 0 : ((JSON.parse(text) as Json).error as Json)?.err_code)
  const everything = {
    allow_msg_ttl: true,
    subject_delete_marker_ttl: 1_000_000_000,
    allow_atomic: true,
    allow_msg_schedules: true,
  }
  async function stream(config: Json = everything): Promise<string> {
    const own = `T${++count}`
    const answer = await api(`STREAM.CREATE.${own}`, {
      name: own,
      subjects: [`${own}.>`],
      storage: 'memory',
      ...config,
    })
    expect(answer.error).toBeUndefined()
    return own
  }
  const lastOf = async (own: string, subject: string) =>
    ((await api(`STREAM.MSG.GET.${own}`, { last_by_subj: subject })).message ?? {}) as Json
  const headersOf = (message: Json) => atob(String(message.hdrs ?? ''))

  it('configures time to live, markers, batches and schedules', async ({ skip }) => {
    skip(fixture.isOld, 'needs nats-server 2.14')
    const own = await stream()
    const { config } = (await api(`STREAM.INFO.${own}`)) as { config: Json }
    expect(config).toMatchObject({ ...everything, allow_rollup_hdrs: true, deny_purge: false })
    const marked = await api(`STREAM.CREATE.${own}M`, {
      name: `${own}M`,
      subjects: [`${own}M`],
      subject_delete_marker_ttl: 1_000_000_000,
    })
    expect(marked.config).toMatchObject({ allow_msg_ttl: true, allow_rollup_hdrs: true })
    const short = { name: `${own}S`, subjects: [`${own}S`], subject_delete_marker_ttl: 500_000_000 }
    expect(await api(`STREAM.CREATE.${own}S`, short)).toMatchObject({ error: { err_code: 10052 } })
    const { allow_msg_schedules: _, ...less } = config
    expect(await api(`STREAM.UPDATE.${own}`, less)).toMatchObject({ error: { err_code: 10052 } })
  })

  it('refuses what a stream does not allow', async ({ skip }) => {
    skip(fixture.isOld, 'needs nats-server 2.14')
    const own = await stream({})
    const at = { 'Nats-Schedule': '@at 2020-01-01T00:00:00Z', 'Nats-Schedule-Target': `${own}.b` }
    const batch = { 'Nats-Batch-Id': 'x', 'Nats-Batch-Sequence': '1' }
    expect(errorOf(await ask(`${own}.a`, '', { 'Nats-TTL': '5s' }))).toBe(10166)
    expect(errorOf(await ask(`${own}.a`, '', at))).toBe(10188)
    expect(errorOf(await ask(`${own}.a`, '', batch))).toBe(10174)
  })

  it('refuses schedules that are not valid', async ({ skip }) => {
    skip(fixture.isOld, 'needs nats-server 2.14')
    const own = await stream()
    const target = { 'Nats-Schedule-Target': `${own}.b` }
    const at = { 'Nats-Schedule': '@at 2020-01-01T00:00:00Z' }
    const cases: ReadonlyArray<readonly [fields: Record<string, string>, code: number]> = [
      [{ ...target, 'Nats-Schedule': 'tomorrow' }, 10189],
      [{ ...target, 'Nats-Schedule': '@at tomorrow' }, 10189],
      [{ ...target, 'Nats-Schedule': '@every 500ms' }, 10189],
      [{ ...target, 'Nats-Schedule': '* * * * *' }, 10189],
      [{ ...target, 'Nats-Schedule': '60 * * * * *' }, 10189],
      [{ ...target, 'Nats-Schedule': '0 0 0 31 2 *' }, 10189],
      [{ ...target, 'Nats-Schedule': '0 0 5 * * *', 'Nats-Schedule-Time-Zone': 'Mars/Olympus' }, 10223],
      [{ ...target, ...at, 'Nats-Schedule-Time-Zone': 'Europe/Berlin' }, 10189],
      [{ ...target, ...at, 'Nats-Schedule-TTL': 'long' }, 10191],
      [{ ...target, ...at, 'Nats-Schedule-Rollup': 'all' }, 10192],
      [{ ...target, ...at, 'Nats-Rollup': 'all' }, 10192],
      [at, 10190],
      [{ ...at, 'Nats-Schedule-Target': `${own}.a` }, 10190],
      [{ ...at, 'Nats-Schedule-Target': `${own}.*` }, 10190],
      [{ ...at, 'Nats-Schedule-Target': 'elsewhere' }, 10190],
      [{ ...target, ...at, 'Nats-Schedule-Source': `${own}.b` }, 10203],
      [{ 'Nats-Schedule-Next': 'later', 'Nats-Scheduler': `${own}.s` }, 10212],
      [{ 'Nats-Schedule-Next': 'purge', 'Nats-Scheduler': `${own}.a` }, 10212],
    ]
    for (const [fields, code] of cases)
      expect([fields, errorOf(await ask(`${own}.a`, 'x', fields))]).toEqual([fields, code])
  })

  it('publishes schedules, expires messages and marks their subjects', async ({ skip }) => {
    skip(fixture.isOld, 'needs nats-server 2.14')
    const own = await stream()
    const live: string[] = []
    const end = fixture.upstream.subscribe(`${own}.>`, undefined, ({ subject }) => live.push(subject))
    const soon = new Date(Date.now() + 300).toISOString()
    const target = (name: string) => ({ 'Nats-Schedule-Target': `${own}.${name}` })
    const schedule = (name: string, fields: Record<string, string>) => ask(`${own}.s.${name}`, name, fields)
    // With one message per subject, a marker can live longer than the values.
    const values = await stream({ ...everything, max_msgs_per_subject: 1, subject_delete_marker_ttl: 60_000_000_000 })
    await ask(`${values}.value`, 'v', { 'Nats-TTL': '1s' })
    await ask(`${own}.floor`, 'v', { 'Nats-TTL': '1s' })
    await ask(`${own}.source`, 'newest')
    const kept = { 'Nats-Msg-Id': 'own', 'nats-msg-id': 'kept', traceparent: '00-1', 'Nats-Schedule-TTL': '60s' }
    await schedule('once', { 'Nats-Schedule': `@at ${soon}`, ...target('once'), ...kept })
    await schedule('often', { 'Nats-Schedule': '@every 1s', ...target('often') })
    await schedule('cron', { 'Nats-Schedule': '* * * * * *', ...target('cron') })
    await schedule('sample', {
      'Nats-Schedule': `@at ${soon}`,
      ...target('sample'),
      'Nats-Schedule-Source': `${own}.source`,
    })
    for (const gone of ['replaced', 'purged', 'deleted'])
      await schedule(gone, { 'Nats-Schedule': `@at ${new Date(Date.now() + 600).toISOString()}`, ...target(gone) })
    await ask(`${own}.s.replaced`, '', { 'Nats-Rollup': 'sub', 'Nats-TTL': '1s' })
    await ask(`${own}.note`, '', { 'Nats-Schedule-Next': 'purge', 'Nats-Scheduler': `${own}.s.purged` })
    await api(`STREAM.PURGE.${own}`, { filter: `${own}.s.deleted` })
    const { subjects } = (await api(`STREAM.INFO.${own}`, { subjects_filter: '>' })).state as { subjects: Json }
    expect(subjects[`${own}.s.purged`]).toBeUndefined()

    await eventually(async () => (await lastOf(own, `${own}.once`)).seq)
    const once = headersOf(await lastOf(own, `${own}.once`))
    expect(once).toContain('nats-msg-id: kept')
    expect(once).toContain('traceparent: 00-1')
    expect(once).toContain(`Nats-Scheduler: ${own}.s.once`)
    expect(once).toContain('Nats-Schedule-Next: purge')
    expect(once).toContain('Nats-TTL: 60s')
    expect(once).not.toMatch(/Nats-(Msg-Id|Schedule-Target|Schedule:)/)
    expect(await lastOf(own, `${own}.s.once`)).toEqual({})
    await eventually(async () => (await lastOf(own, `${own}.sample`)).data === btoa('newest'))
    const of = async (subject: string) => {
      const info = (await api(`STREAM.INFO.${own}`, { subjects_filter: subject })).state as { subjects?: Json }
      return Number(info.subjects?.[subject] ?? 0)
    }
    await eventually(async () => (await of(`${own}.often`)) >= 2 && (await of(`${own}.cron`)) >= 2)
    expect(headersOf(await lastOf(own, `${own}.often`))).toMatch(/Nats-Schedule-Next: 20/)
    for (const gone of ['replaced', 'purged', 'deleted']) expect(await of(`${own}.${gone}`)).toBe(0)
    await eventually(async () =>
      headersOf(await lastOf(values, `${values}.value`)).includes('Nats-Marker-Reason: MaxAge'),
    )
    // A marker expires as well, without another marker.
    await eventually(async () => (await of(`${own}.floor`)) === 0)
    expect(live.filter((subject) => /once|often|cron|sample/.test(subject) && !subject.includes('.s.'))).toEqual([])
    end()
    await api(`STREAM.DELETE.${own}`)
  }, 20_000)

  it('stores a batch or none of it', async ({ skip }) => {
    skip(fixture.isOld, 'needs nats-server 2.14')
    const own = await stream()
    let batches = 0
    /** Sends a batch. Returns the answer to its last message. */
    const send = async (
      items: ReadonlyArray<readonly [subject: string, fields?: Record<string, string>]>,
      commit = '1',
    ) => {
      const id = `b${++batches}`
      let answer = ''
      for (const [index, [subject, fields = {}]] of items.entries()) {
        const isLast = index === items.length - 1
        const own = { 'Nats-Batch-Id': id, 'Nats-Batch-Sequence': String(index + 1) }
        const text = await ask(subject, 'x', { ...own, ...(isLast && { 'Nats-Batch-Commit': commit }), ...fields })
        if (!isLast) expect(text).toBe('')
        answer = text
      }
      return answer
    }
    const [a, b] = [`${own}.a`, `${own}.b`]
    await ask(`${own}.x`, '', { 'Nats-Msg-Id': 'known' })
    expect(JSON.parse(await send([[a, { 'Nats-Msg-Id': 'i1' }], [b]]))).toMatchObject({ seq: 3, count: 2, batch: 'b1' })
    expect(JSON.parse(await send([[a], [b], [b]], 'eob'))).toMatchObject({ seq: 5, count: 2 })
    expect(JSON.parse(await send([[a]]))).toMatchObject({ seq: 6, count: 1 })
    const last = { 'Nats-Expected-Last-Subject-Sequence': '6' }
    expect(JSON.parse(await send([[a, last], [b]]))).toMatchObject({ seq: 8 })
    const before = (await api(`STREAM.INFO.${own}`)).state as Json
    const refused: ReadonlyArray<readonly [items: Parameters<typeof send>[0], code: number, commit?: string]> = [
      [[[a, last], [b]], 10071],
      [[[a, { 'Nats-Expected-Last-Sequence': '1' }], [b]], 10071],
      [[[a], [b, { 'Nats-Expected-Last-Sequence': '8' }]], 10071],
      [[[a], [a, { 'Nats-Expected-Last-Subject-Sequence': '7' }]], 10164],
      [[[a, { 'Nats-Msg-Id': 'known' }], [b]], 10201],
      [
        [
          [a, { 'Nats-Msg-Id': 'n' }],
          [b, { 'Nats-Msg-Id': 'n' }],
        ],
        10201,
      ],
      [[[a, { 'Nats-TTL': 'bad' }], [b]], 10165],
      [[[a], [b, { 'Nats-Expected-Last-Msg-Id': 'i' }]], 10177],
      [[[a], [a, { 'Nats-Rollup': 'sub' }]], 10111],
      [[[a], [b, { 'Nats-Batch-Sequence': '7' }]], 10176],
      [[[a, { 'Nats-Batch-Sequence': 'x' }]], 10175],
      [[[a, { 'Nats-Batch-Sequence': '2' }]], 10176],
      [[[a, { 'Nats-Batch-Id': 'y'.repeat(65) }]], 10179],
      [[[a], [b]], 10200, 'maybe'],
    ]
    for (const [items, code, commit] of refused)
      expect([items, errorOf(await send(items, commit))]).toEqual([items, code])
    expect(await api(`STREAM.INFO.${own}`)).toMatchObject({ state: { last_seq: before.last_seq } })
    // A stream has 50 open batches.
    for (let n = 1; n <= 50; n++)
      expect(await ask(a, '', { 'Nats-Batch-Id': `open${n}`, 'Nats-Batch-Sequence': '1' })).toBe('')
    expect(errorOf(await ask(a, '', { 'Nats-Batch-Id': 'more', 'Nats-Batch-Sequence': '1' }))).toBe(10210)
  })
})
