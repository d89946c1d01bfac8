import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEmbeddedUpstream, type EmbeddedOptions } from '../../../../../bridge/broker/embedded.ts'
import type { Upstream } from '../../../../../bridge/upstream/upstream.ts'
import { encodeHeaders } from '../../../../../sdk/wire/headers.ts'
import { eventually } from '../../../../support/eventually.ts'

type Json = Record<string, unknown>
let folder: string
let path: string
let count = 0

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spanwire-streams-'))
  path = join(folder, 'streams.db')
})
afterEach(() => rm(folder, { recursive: true }))

async function ask(upstream: Upstream, subject: string, fields: unknown = '', headers?: Uint8Array): Promise<Json> {
  const reply = `answers.${++count}`
  const { promise, resolve } = Promise.withResolvers<Json>()
  const end = upstream.subscribe(reply, undefined, ({ payload }) =>
    resolve(JSON.parse(new TextDecoder().decode(payload))),
  )
  upstream.publish({
    subject,
    reply,
    payload: new TextEncoder().encode(fields === '' ? '' : JSON.stringify(fields)),
    ...(headers && { headers }),
  })
  const answer = await promise
  end()
  return answer
}

async function reopened(upstream: Upstream, options: EmbeddedOptions): Promise<Upstream> {
  await upstream.close()
  return createEmbeddedUpstream(options)
}

describe('streams in node:sqlite', () => {
  it('keep configuration, epoch, sequences, headers and ids after a restart', async () => {
    let upstream = createEmbeddedUpstream({ path })
    await ask(upstream, '$JS.API.STREAM.CREATE.S', { name: 'S', subjects: ['s.>'], max_msgs: 10 })
    const headers = encodeHeaders([['Nats-Msg-Id', 'one']])
    await ask(upstream, 's.a', 'first', headers)
    for (let i = 0; i < 3; i++) await ask(upstream, 's.b', 'more')
    await ask(upstream, '$JS.API.STREAM.MSG.DELETE.S', { seq: 4 })
    const before = await ask(upstream, '$JS.API.STREAM.INFO.S', { deleted_details: true })
    const message = await ask(upstream, '$JS.API.STREAM.MSG.GET.S', { seq: 1 })
    upstream = await reopened(upstream, { path })
    const after = await ask(upstream, '$JS.API.STREAM.INFO.S', { deleted_details: true })
    expect({ ...after, ts: '' }).toEqual({ ...before, ts: '' })
    expect(await ask(upstream, '$JS.API.STREAM.MSG.GET.S', { seq: 1 })).toEqual(message)
    expect(await ask(upstream, 's.a', 'again', headers)).toEqual({ stream: 'S', seq: 1, duplicate: true })
    expect(await ask(upstream, 's.a', 'next')).toEqual({ stream: 'S', seq: 5 })
    await ask(upstream, '$JS.API.STREAM.PURGE.S', '')
    upstream = await reopened(upstream, { path })
    expect(await ask(upstream, 's.a', 'after a purge')).toEqual({ stream: 'S', seq: 6 })
    await upstream.close()
  })

  it('remove messages when their own TTL is over, also after a restart, and keep those that never expire', async () => {
    const now = { ms: 1_000_000 }
    const options = { path, clock: () => now.ms }
    let upstream = createEmbeddedUpstream(options)
    const ttl = (value: string) => encodeHeaders([['Nats-TTL', value]])
    const config = { name: 'S', subjects: ['s.>'], max_age: 60e9, duplicate_window: 60e9, allow_msg_ttl: true }
    expect(await ask(upstream, '$JS.API.STREAM.CREATE.S', config)).toMatchObject({ config: { allow_msg_ttl: true } })
    for (const [index, value] of ['10s', '0h0m5s', 'never', '30', '0'].entries())
      expect(await ask(upstream, `s.${index}`, value, ttl(value))).toMatchObject({ seq: index + 1 })
    for (const wrong of ['1ms', 'soon', '-1', '1x', '1 s'])
      expect((await ask(upstream, 's.x', '', ttl(wrong))).error).toMatchObject({ err_code: 10165 })
    const sequences = async () => {
      const present: number[] = []
      for (let seq = 1; seq <= 5; seq++)
        if (!(await ask(upstream, '$JS.API.STREAM.MSG.GET.S', { seq })).error) present.push(seq)
      return present
    }
    now.ms += 9_000
    expect(await sequences()).toEqual([1, 3, 4, 5])
    upstream = await reopened(upstream, options)
    now.ms += 1_000
    expect(await sequences()).toEqual([3, 4, 5])
    now.ms += 20_000
    expect(await sequences()).toEqual([3, 5])
    now.ms += 60_000
    expect(await sequences()).toEqual([3])
    const { allow_msg_ttl, ...without } = config
    expect((await ask(upstream, '$JS.API.STREAM.UPDATE.S', without)).error).toBeDefined()
    await ask(upstream, '$JS.API.STREAM.CREATE.T', { name: 'T', subjects: ['t'] })
    expect((await ask(upstream, 't', '', ttl('1s'))).error).toMatchObject({ err_code: 10166 })
    expect(allow_msg_ttl).toBe(true)
    await upstream.close()
  })

  it('copy the messages of other streams once, also after a restart', async () => {
    let upstream = createEmbeddedUpstream({ path })
    await ask(upstream, '$JS.API.STREAM.CREATE.S', { name: 'S', subjects: ['s.>'] })
    const transforms = [{ src: 's.*', dest: 'copy.{{wildcard(1)}}' }]
    await ask(upstream, '$JS.API.STREAM.CREATE.T', {
      name: 'T',
      sources: [{ name: 'S', subject_transforms: transforms }],
    })
    for (const name of ['a', 'b', 'c']) await ask(upstream, `s.${name}`, name)
    const lastCopy = async () => {
      const { state, sources } = await ask(upstream, '$JS.API.STREAM.INFO.T', '')
      const { last_seq, messages } = state as Json
      return { last_seq, messages, sources }
    }
    const source = { name: 'S', lag: 0, active: 0, subject_transforms: transforms }
    expect(await lastCopy()).toEqual({ last_seq: 3, messages: 3, sources: [source] })
    // The last copy contains the position.
    await ask(upstream, '$JS.API.STREAM.PURGE.T', { seq: 3 })
    upstream = await reopened(upstream, { path })
    expect(await lastCopy()).toEqual({ last_seq: 3, messages: 1, sources: [source] })
    await ask(upstream, 's.d', 'd')
    expect(await lastCopy()).toMatchObject({ last_seq: 4 })
    // A stream that is full receives the copies later.
    const full = { name: 'F', max_msgs: 1, discard: 'new', sources: [{ name: 'S', opt_start_seq: 3 }] }
    await ask(upstream, '$JS.API.STREAM.CREATE.F', full)
    expect(await ask(upstream, '$JS.API.STREAM.INFO.F', '')).toMatchObject({
      state: { last_seq: 1 },
      sources: [{ lag: 1 }],
    })
    await ask(upstream, '$JS.API.STREAM.PURGE.F', '')
    expect(await ask(upstream, 's.e', 'e')).toMatchObject({ seq: 5 })
    expect(await ask(upstream, '$JS.API.STREAM.INFO.F', '')).toMatchObject({
      state: { last_seq: 2 },
      sources: [{ lag: 1 }],
    })
    await ask(upstream, '$JS.API.STREAM.DELETE.S', '')
    expect(await lastCopy()).toMatchObject({ sources: [{ name: 'S', lag: 0, active: -1 }] })
    await upstream.close()
  })

  it('keep all acknowledged messages when the process is killed', async () => {
    const script = fileURLToPath(new URL('../../../../support/stream-writer.ts', import.meta.url))
    const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    await eventually(() => output.split('\n').length > 2_000, { deadline: 30_000, what: '2,000 acknowledgements' })
    child.kill('SIGKILL')
    await once(child, 'close')
    const acknowledged = output.split('\n').slice(0, -1).map(Number)
    const upstream = createEmbeddedUpstream({ path })
    const { state } = await ask(upstream, '$JS.API.STREAM.INFO.S', '')
    const last = Math.max(...acknowledged)
    expect((state as Json).last_seq).toBeGreaterThanOrEqual(last)
    expect((state as Json).messages).toBe((state as Json).last_seq)
    const headers = encodeHeaders([['Nats-Msg-Id', `id-${last}`]])
    expect(await ask(upstream, 's', 'again', headers)).toMatchObject({ seq: last, duplicate: true })
    await upstream.close()
  }, 60_000)
})

describe('all streams together', () => {
  it('reject messages over maxBytes until there is room', async () => {
    const upstream = createEmbeddedUpstream({ maxBytes: 10_000 })
    await ask(upstream, '$JS.API.STREAM.CREATE.S', { name: 'S', subjects: ['s.>'] })
    let answer: Json = {}
    for (let i = 0; i < 50 && !answer.error; i++) answer = await ask(upstream, 's.a', 'x'.repeat(500))
    expect(answer.error).toMatchObject({ code: 503, err_code: 10023 })
    await ask(upstream, '$JS.API.STREAM.PURGE.S', '')
    expect((await ask(upstream, 's.a', 'x'.repeat(500))).error).toBeUndefined()
    await upstream.close()
  })

  it.each([
    { retention: 'workqueue' },
    { retention: 'interest' },
    { mirror: { name: 'A' } },
    { sources: [{ name: 'A', external: { api: 'x' } }] },
    { republish: { src: 'a' } },
    { allow_msg_counter: true },
  ])('reject the unsupported configuration %j', async (config) => {
    const upstream = createEmbeddedUpstream()
    const answer = await ask(upstream, '$JS.API.STREAM.CREATE.S', { name: 'S', subjects: ['s.>'], ...config })
    expect(answer.error).toMatchObject({ err_code: 10052, description: expect.stringContaining('embedded broker') })
    await upstream.close()
  })
})

/** A simple model of a stream. */
class Model {
  messages: Array<{ seq: number; subject: string }> = []
  last = 0
  readonly #maxMessages: number
  readonly #maxPerSubject: number

  constructor(maxMessages: number, maxPerSubject: number) {
    this.#maxMessages = maxMessages
    this.#maxPerSubject = maxPerSubject
  }

  publish(subject: string): void {
    this.messages.push({ seq: ++this.last, subject })
    const same = this.messages.filter((message) => message.subject === subject)
    if (same.length > this.#maxPerSubject) this.remove(same[0]?.seq ?? 0)
    if (this.messages.length > this.#maxMessages) this.messages.shift()
  }

  remove(seq: number): void {
    this.messages = this.messages.filter((message) => message.seq !== seq)
  }
}

const subjects = fc.constantFrom('s.a', 's.b', 's.c')
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('publish' as const), subject: subjects }) },
    fc.record({ do: fc.constant('delete' as const), seq: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ do: fc.constant('purge' as const), subject: subjects, keep: fc.nat(2) }),
    fc.record({ do: fc.constant('restart' as const) }),
  ),
  { maxLength: 40 },
)

describe('sequences and limits', () => {
  it.each(['memory', 'sqlite'])(
    'match a simple model: %s',
    async (store) => {
      let files = 0
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 8 }),
          fc.integer({ min: 1, max: 4 }),
          steps,
          async (max, each, run) => {
            const options = store === 'sqlite' ? { path: join(folder, `${++files}.db`) } : {}
            let upstream = createEmbeddedUpstream(options)
            const model = new Model(max, each)
            const config = { name: 'S', subjects: ['s.>'], max_msgs: max, max_msgs_per_subject: each }
            await ask(upstream, '$JS.API.STREAM.CREATE.S', config)
            for (const step of run) {
              if (step.do === 'publish') {
                model.publish(step.subject)
                expect(await ask(upstream, step.subject, 'x')).toEqual({ stream: 'S', seq: model.last })
              } else if (step.do === 'delete') {
                model.remove(step.seq)
                await ask(upstream, '$JS.API.STREAM.MSG.DELETE.S', { seq: step.seq })
              } else if (step.do === 'purge') {
                const same = model.messages.filter(({ subject }) => subject === step.subject)
                for (const { seq } of same.slice(0, same.length - step.keep || (step.keep ? 0 : same.length))) {
                  if (same.length > step.keep) model.remove(seq)
                }
                await ask(upstream, '$JS.API.STREAM.PURGE.S', { filter: step.subject, keep: step.keep })
              } else if (store === 'sqlite') upstream = await reopened(upstream, options)
            }
            const { state } = await ask(upstream, '$JS.API.STREAM.INFO.S', { deleted_details: true })
            const seqs = model.messages.map(({ seq }) => seq)
            const first = seqs[0] ?? (model.last === 0 ? 0 : model.last + 1)
            const all = seqs.length === 0 ? [] : Array.from({ length: model.last - first + 1 }, (_, i) => first + i)
            expect(state).toMatchObject({ messages: seqs.length, first_seq: first, last_seq: model.last })
            expect((state as Json).deleted ?? []).toEqual(all.filter((seq) => !seqs.includes(seq)))
            for (const subject of ['s.a', 's.b', 's.c']) {
              const last = model.messages.findLast((message) => message.subject === subject)?.seq
              const found = await ask(upstream, '$JS.API.STREAM.MSG.GET.S', { last_by_subj: subject })
              expect((found.message as Json | undefined)?.seq).toBe(last)
            }
            await upstream.close()
          },
        ),
        { numRuns: store === 'sqlite' ? 40 : 150 },
      )
    },
    60_000,
  )
})
