/** Tests of the JetStream API for every upstream with streams, as the hub, the SDK and stock clients use it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Upstream, UpstreamMessage } from '../../bridge/upstream/upstream.ts'
import { encodeHeaders, parseHeaders } from '../../sdk/wire/headers.ts'
import { parseAckSubject } from '../../sdk/wire/replay-frames.ts'
import { eventually } from '../support/eventually.ts'
import { bytes, text, type UpstreamFixture } from './upstream.ts'

type Json = Record<string, unknown>
const SECOND = 1_000_000_000

export function jetstreamConformance(name: string, start: () => Promise<UpstreamFixture>): void {
  describe(`streams: ${name}`, () => {
    let fixture: UpstreamFixture
    let upstream: Upstream
    let count = 0
    beforeAll(async () => {
      fixture = await start()
      upstream = fixture.connect()
      await eventually(() => upstream.state === 'open')
    }, 60_000)
    afterAll(async () => {
      await upstream?.close()
      await fixture?.[Symbol.asyncDispose]()
    })

    /** Sends a request. Resolves with the first reply. */
    async function ask(subject: string, payload: unknown = '', headers?: Uint8Array): Promise<UpstreamMessage> {
      const reply = `_INBOX.conformance.${++count}`
      const { promise, resolve } = Promise.withResolvers<UpstreamMessage>()
      const end = upstream.subscribe(reply, undefined, resolve)
      const body = typeof payload === 'string' ? payload : JSON.stringify(payload)
      upstream.publish({ subject, reply, payload: bytes(body), ...(headers && { headers }) })
      const answer = await promise
      end()
      return answer
    }
    const api = async (verb: string, fields: unknown = ''): Promise<Json> =>
      JSON.parse(text((await ask(`$JS.API.${verb}`, fields)).payload)) as Json
    const publish = async (subject: string, payload = '', fields: Record<string, string> = {}): Promise<Json> => {
      const headers = Object.keys(fields).length > 0 ? encodeHeaders(Object.entries(fields)) : undefined
      return JSON.parse(text((await ask(subject, payload, headers)).payload)) as Json
    }
    /** Creates a stream. Returns its name, which is also the prefix of its subjects. */
    async function stream(config: Json = {}): Promise<string> {
      const own = `S${++count}`
      const answer = await api(`STREAM.CREATE.${own}`, { name: own, subjects: [`${own}.>`], ...config })
      expect(answer.error).toBeUndefined()
      return own
    }
    const consumer = (own: string, config: Json): Promise<Json> =>
      api(`CONSUMER.CREATE.${own}.${config.name}`, {
        stream_name: own,
        config: { ack_policy: 'none', deliver_policy: 'all', inactive_threshold: 60 * SECOND, ...config },
      })
    const state = async (own: string): Promise<Json> =>
      (await api(`STREAM.INFO.${own}`, { deleted_details: true })).state as Json
    const errorOf = (answer: Json): unknown => (answer.error as Json | undefined)?.err_code
    /** Sends a pull request, and collects its messages until `until` returns true. */
    async function pull(
      own: string,
      name: string,
      fields: Json,
      until: (seen: string[]) => boolean,
    ): Promise<string[]> {
      const inbox = `_INBOX.pull.${++count}`
      const seen: string[] = []
      const end = upstream.subscribe(inbox, undefined, (message) => seen.push(describeMessage(message)))
      const payload = bytes(JSON.stringify(fields))
      upstream.publish({ subject: `$JS.API.CONSUMER.MSG.NEXT.${own}.${name}`, reply: inbox, payload })
      await eventually(() => until(seen), { what: `a batch, after ${seen}` })
      end()
      return seen
    }
    const ended = (seen: string[]) => /^\d{3} /.test(seen.at(-1) ?? '')

    it('creates a stream idempotently, and rejects another with its name or subjects', async () => {
      const own = await stream()
      expect(await api(`STREAM.CREATE.${own}`, { name: own, subjects: [`${own}.>`] })).toMatchObject({
        type: 'io.nats.jetstream.api.v1.stream_create_response',
        config: { name: own, retention: 'limits', max_msgs: -1, duplicate_window: 120 * SECOND, discard: 'old' },
      })
      expect(errorOf(await api(`STREAM.CREATE.${own}`, { name: own, subjects: [`${own}.a`] }))).toBe(10058)
      expect(errorOf(await api(`STREAM.CREATE.${own}x`, { name: `${own}x`, subjects: [`${own}.a`] }))).toBe(10065)
      expect(errorOf(await api(`STREAM.CREATE.${own}x`, { name: own }))).toBe(10056)
      expect(errorOf(await api(`STREAM.CREATE.${own}x`, '{bad'))).toBe(10025)
      expect(errorOf(await api(`STREAM.CREATE.${own}x`, { name: `${own}x`, num_replicas: 3 }))).toBe(10074)
      expect(errorOf(await api(`STREAM.INFO.${own}x`))).toBe(10059)
      expect(errorOf(await api(`STREAM.UPDATE.${own}x`, { name: `${own}x` }))).toBe(10059)
      const update = await api(`STREAM.UPDATE.${own}`, { name: own, subjects: [`${own}.>`], max_msgs: 5 })
      expect(update.config).toMatchObject({ max_msgs: 5 })
      expect(errorOf(await api(`STREAM.UPDATE.${own}`, { name: own, storage: 'memory' }))).toBe(10052)
      expect(await api('STREAM.NAMES', { subject: `${own}.a` })).toMatchObject({ total: 1, streams: [own] })
      expect(await api('STREAM.NAMES', { subject: 'no.stream.has.this' })).toMatchObject({ total: 0 })
      expect(await api(`STREAM.DELETE.${own}`)).toMatchObject({ success: true })
      expect(errorOf(await api(`STREAM.INFO.${own}`))).toBe(10059)
    })

    it('changes the creation time of a stream that is created again', async () => {
      const own = await stream()
      const { created } = await api(`STREAM.INFO.${own}`)
      await api(`STREAM.DELETE.${own}`)
      const again = await api(`STREAM.CREATE.${own}`, { name: own, subjects: [`${own}.>`] })
      expect(again.created).not.toBe(created)
    })

    it('stores a message, acknowledges it, and delivers it to subscribers', async () => {
      const own = await stream()
      const seen: string[] = []
      const end = upstream.subscribe(`${own}.>`, undefined, ({ payload }) => seen.push(text(payload)))
      expect(await publish(`${own}.a`, 'one')).toEqual({ stream: own, seq: 1 })
      upstream.publish({ subject: `${own}.a`, payload: bytes('silent') })
      expect(await publish(`${own}.b`, 'three')).toEqual({ stream: own, seq: 3 })
      await eventually(() => seen.length === 3)
      end()
      expect(await state(own)).toMatchObject({ messages: 3, first_seq: 1, last_seq: 3, num_subjects: 2 })
    })

    it('drops duplicates by id', async () => {
      const own = await stream()
      expect(await publish(`${own}.a`, 'x', { 'Nats-Msg-Id': 'i' })).toEqual({ stream: own, seq: 1 })
      expect(await publish(`${own}.a`, 'x', { 'Nats-Msg-Id': 'i' })).toEqual({ stream: own, seq: 1, duplicate: true })
      expect(await state(own)).toMatchObject({ messages: 1 })
    })

    it('accepts an id again after the duplicate window', async () => {
      const own = await stream({ duplicate_window: SECOND / 5 })
      await publish(`${own}.a`, 'x', { 'Nats-Msg-Id': 'i' })
      await eventually(async () => !(await publish(`${own}.a`, 'x', { 'Nats-Msg-Id': 'i' })).duplicate)
    })

    it('checks expected sequences, stream and message id', async () => {
      const own = await stream()
      await publish(`${own}.a`, '1', { 'Nats-Msg-Id': 'first' })
      await publish(`${own}.b`, '2')
      const refused = async (fields: Record<string, string>) => errorOf(await publish(`${own}.a`, 'x', fields))
      expect(await refused({ 'Nats-Expected-Last-Sequence': '1' })).toBe(10071)
      expect(await refused({ 'Nats-Expected-Last-Subject-Sequence': '2' })).toBe(10071)
      expect(await refused({ 'Nats-Expected-Stream': 'other' })).toBe(10060)
      expect(await refused({ 'Nats-Expected-Last-Msg-Id': 'first' })).toBe(10070)
      expect(await publish(`${own}.a`, 'x', { 'Nats-Expected-Last-Sequence': '2' })).toMatchObject({ seq: 3 })
      expect(await publish(`${own}.a`, 'x', { 'Nats-Expected-Last-Subject-Sequence': '3' })).toMatchObject({ seq: 4 })
      expect(await publish(`${own}.n`, 'x', { 'Nats-Expected-Last-Subject-Sequence': '0' })).toMatchObject({ seq: 5 })
    })

    it('enforces limits, and discards old or rejects new messages', async () => {
      const old = await stream({ max_msgs: 3, max_msgs_per_subject: 2 })
      for (const subject of ['a', 'a', 'a', 'b', 'c']) await publish(`${old}.${subject}`, 'x')
      expect(await state(old)).toMatchObject({ messages: 3, first_seq: 3, last_seq: 5 })
      const full = await stream({ max_msgs: 2, discard: 'new', max_msg_size: 10 })
      await publish(`${full}.a`)
      await publish(`${full}.a`)
      expect(errorOf(await publish(`${full}.a`))).toBe(10077)
      expect(errorOf(await publish(`${full}.a`, 'x'.repeat(11)))).toBe(10054)
      const large = await stream({ max_bytes: 1_000 })
      for (let i = 0; i < 10; i++) await publish(`${large}.a`, 'x'.repeat(200))
      expect((await state(large)).bytes).toBeLessThanOrEqual(1_000)
      const short = await stream({ max_age: SECOND / 5 })
      await publish(`${short}.a`)
      await eventually(async () => (await state(short)).messages === 0)
      expect(await state(short)).toMatchObject({ first_seq: 2, last_seq: 1 })
    })

    it('gets, deletes and purges messages, and reports deleted sequences', async () => {
      const own = await stream({ allow_direct: true })
      for (const subject of ['a', 'b', 'a', 'b', 'a', 'c']) await publish(`${own}.${subject}`, `on ${subject}`)
      const get = async (fields: Json) => {
        const { message, error } = await api(`STREAM.MSG.GET.${own}`, fields)
        return (message as Json | undefined)?.seq ?? (error as Json).err_code
      }
      expect(await get({ seq: 2 })).toBe(2)
      expect(await get({ seq: 9 })).toBe(10037)
      expect(await get({})).toBe(10003)
      expect(await get({ last_by_subj: `${own}.b` })).toBe(4)
      expect(await get({ last_by_subj: `${own}.*` })).toBe(6)
      expect(await get({ seq: 2, next_by_subj: `${own}.a` })).toBe(3)
      expect(await get({ seq: 6, next_by_subj: `${own}.a` })).toBe(10037)
      expect(await api(`STREAM.MSG.DELETE.${own}`, { seq: 4 })).toMatchObject({ success: true })
      expect(errorOf(await api(`STREAM.MSG.DELETE.${own}`, { seq: 4 }))).toBe(10043)
      expect(await api(`STREAM.PURGE.${own}`, { filter: `${own}.a`, keep: 1 })).toMatchObject({ purged: 2 })
      expect(await state(own)).toMatchObject({ messages: 3, first_seq: 2, last_seq: 6, deleted: [3, 4] })
      expect(await api(`STREAM.PURGE.${own}`, { seq: 6 })).toMatchObject({ purged: 2 })
      expect(await api(`STREAM.PURGE.${own}`)).toMatchObject({ purged: 1 })
      expect(await state(own)).toMatchObject({ messages: 0, first_seq: 7, last_seq: 6 })
      expect(await publish(`${own}.a`)).toMatchObject({ seq: 7 })
    })

    it('counts messages by subject', async () => {
      const own = await stream()
      for (const subject of ['a', 'b', 'a']) await publish(`${own}.${subject}`)
      const { state } = await api(`STREAM.INFO.${own}`, { subjects_filter: '>' })
      expect((state as Json).subjects).toEqual({ [`${own}.a`]: 2, [`${own}.b`]: 1 })
    })

    it('gets a message directly, with its metadata in headers', async () => {
      const own = await stream({ allow_direct: true })
      await publish(`${own}.a`, 'hello', { mine: 'too' })
      for (const [subject, fields] of [
        [own, { seq: 1 }],
        [own, { last_by_subj: `${own}.a` }],
        [`${own}.${own}.a`, ''],
      ] as const) {
        const { payload, headers } = await ask(`$JS.API.DIRECT.GET.${subject}`, fields)
        expect(text(payload)).toBe('hello')
        expect(Object.fromEntries(parseHeaders(headers as Uint8Array).fields)).toMatchObject({
          mine: 'too',
          'Nats-Stream': own,
          'Nats-Subject': `${own}.a`,
          'Nats-Sequence': '1',
        })
      }
      const missing = await ask(`$JS.API.DIRECT.GET.${own}`, { seq: 9 })
      expect(parseHeaders(missing.headers as Uint8Array)).toMatchObject({ status: 404 })
    })

    it.each([
      [{ deliver_policy: 'all' }, [1, 2, 3, 4, 5]],
      [{ deliver_policy: 'last' }, [5]],
      [{ deliver_policy: 'new' }, []],
      [{ deliver_policy: 'by_start_sequence', opt_start_seq: 3 }, [3, 4, 5]],
      [{ deliver_policy: 'by_start_time', opt_start_time: '2020-01-01T00:00:00Z' }, [1, 2, 3, 4, 5]],
      [{ deliver_policy: 'last_per_subject', filter_subject: 'OWN.*' }, [3, 4, 5]],
      [{ deliver_policy: 'all', filter_subject: 'OWN.a' }, [1, 3]],
      [{ deliver_policy: 'last', filter_subject: 'OWN.a' }, [3]],
    ])('delivers to a consumer with %j the sequences %j', async (config, expected) => {
      const own = await stream()
      for (const subject of ['a', 'b', 'a', 'b', 'c']) await publish(`${own}.${subject}`)
      const filter = ('filter_subject' in config ? config.filter_subject : undefined)?.replace('OWN', own)
      const made = await consumer(own, { name: 'c', ...config, ...(filter && { filter_subject: filter }) })
      expect(made).toMatchObject({ name: 'c', num_pending: expected.length })
      const seen = await pull(own, 'c', { batch: 10, no_wait: true }, ended)
      // 2.9 sends 408 if there were messages.
      expect(seen.pop()).toMatch(/^(404 No Messages|408 Request Timeout)$/)
      expect(seen).toEqual(expected.map((seq, i) => `m ${seq} ${i + 1} ${expected.length - i - 1}`))
    })

    it('sends heartbeats and a final status to a pull request', async () => {
      const own = await stream()
      await consumer(own, { name: 'c' })
      const late = await pull(own, 'c', { batch: 2, expires: SECOND / 2, idle_heartbeat: SECOND / 5 }, (seen) =>
        seen.some((line) => line.startsWith('408')),
      )
      expect(late[0]).toBe('100 Idle Heartbeat')
      expect(late.at(-1)).toBe('408 Request Timeout')
      await publish(`${own}.a`, 'x'.repeat(100))
      await publish(`${own}.a`, 'x'.repeat(100))
      const small = await pull(own, 'c', { batch: 2, expires: SECOND, max_bytes: 10 }, ended)
      expect(small).toEqual(['409 Message Size Exceeds MaxBytes'])
      expect(await pull(own, 'c', { batch: 2, expires: SECOND }, (seen) => seen.length === 2)).toHaveLength(2)
    })

    it('delivers by push with the original subjects, while there is interest', async () => {
      const own = await stream()
      await publish(`${own}.a`, '1')
      const to = `deliver.${own}`
      await consumer(own, { name: 'p', deliver_subject: to })
      const seen: string[] = []
      const listen = () =>
        upstream.subscribe(to, undefined, ({ subject, payload }) => seen.push(`${subject} ${text(payload)}`))
      const end = listen()
      await eventually(() => seen.length === 1)
      await publish(`${own}.b`, '2')
      await eventually(() => seen.length === 2)
      end()
      await upstream.flush()
      await publish(`${own}.c`, '3')
      await upstream.flush()
      expect(seen).toHaveLength(2)
      const endAgain = listen()
      await eventually(() => seen.length === 3)
      endAgain()
      expect(seen).toEqual([`${own}.a 1`, `${own}.b 2`, `${own}.c 3`])
    })

    it('delivers by push with flow control and heartbeats', async () => {
      const own = await stream()
      const to = `deliver.${own}`
      const seqs: number[] = []
      const statuses = new Set<string>()
      const end = upstream.subscribe(to, undefined, (message) => {
        const line = describeMessage(message)
        if (!line.startsWith('m ')) {
          statuses.add(line)
          if (line === '100 FlowControl Request' && message.reply)
            upstream.publish({ subject: message.reply, payload: bytes('') })
        } else seqs.push(Number(line.split(' ')[1]))
      })
      const payload = new Uint8Array(20_000)
      for (let i = 0; i < 600; i++) upstream.publish({ subject: `${own}.a`, payload })
      await consumer(own, { name: 'p', deliver_subject: to, flow_control: true, idle_heartbeat: SECOND / 5 })
      await eventually(() => seqs.length === 600)
      await eventually(() => statuses.has('100 Idle Heartbeat'))
      end()
      expect(seqs).toEqual(Array.from({ length: 600 }, (_, i) => i + 1))
    }, 30_000)

    it('deletes an ephemeral consumer without interest after its threshold', async () => {
      const own = await stream()
      await consumer(own, { name: 'p', deliver_subject: `deliver.${own}`, inactive_threshold: SECOND / 5 })
      await consumer(own, { name: 'c', inactive_threshold: SECOND / 5 })
      await eventually(async () => (await api(`CONSUMER.NAMES.${own}`)).total === 0)
      expect(errorOf(await api(`CONSUMER.INFO.${own}.p`))).toBe(10014)
    })

    it('redelivers messages that were not acknowledged or terminated', async () => {
      const own = await stream()
      for (let i = 0; i < 3; i++) await publish(`${own}.a`)
      await consumer(own, {
        name: 'd',
        durable_name: 'd',
        ack_policy: 'explicit',
        ack_wait: SECOND / 2,
        max_ack_pending: 3,
      })
      const place = (seq: number) => `$JS.ACK.${own}.d.1.${seq}.${seq}.0.0`
      await pull(own, 'd', { batch: 3, expires: SECOND }, (seen) => seen.length === 3)
      await ask(place(1), '+ACK')
      await ask(place(2), '+TERM')
      expect(await api(`CONSUMER.INFO.${own}.d`)).toMatchObject({ num_ack_pending: 1, ack_floor: { stream_seq: 2 } })
      const again = await pull(own, 'd', { batch: 1, expires: 5 * SECOND }, (seen) => seen.length === 1)
      expect(again[0]).toMatch(/^m 3 4 /)
      await ask(place(3), '-NAK')
      expect((await pull(own, 'd', { batch: 1, expires: SECOND }, (seen) => seen.length === 1))[0]).toMatch(/^m 3 5 /)
    })

    it('delivers to the pinned client only, and to another once it is unpinned', async () => {
      const own = await stream()
      const config = { priority_policy: 'pinned_client', priority_groups: ['g'], priority_timeout: SECOND }
      const made = await consumer(own, { name: 'p', ack_policy: 'explicit', ...config })
      // Servers before 2.11 ignore the policy.
      if (!('priority_policy' in (made.config as Json))) return expect(upstream.info.name).toMatch(/ 2\.([0-9]|10)\./)
      expect(made.config).toMatchObject(config)
      const bad = (more: Json) => consumer(own, { name: 'bad', ack_policy: 'explicit', ...config, ...more })
      for (const more of [{ priority_groups: [] }, { priority_groups: ['a b'] }, { priority_groups: ['x'.repeat(17)] }])
        expect((await bad(more)).error).toBeDefined()
      expect((await bad({ priority_policy: 'sticky' })).error).toBeDefined()

      const requests: Array<() => void> = []
      const request = (fields: Json) => {
        const seen: Array<{ readonly subject: string; readonly pin?: string; readonly status?: number }> = []
        const inbox = `_INBOX.pinned.${++count}`
        const end = upstream.subscribe(inbox, undefined, ({ subject, headers }) => {
          const { status, fields: header } = parseHeaders(headers as Uint8Array)
          const pin = header.find(([name]) => name === 'Nats-Pin-Id')?.[1]
          seen.push({ subject, ...(pin && { pin }), ...(status && { status }) })
        })
        requests.push(end)
        const payload = bytes(JSON.stringify({ expires: 20 * SECOND, ...fields }))
        upstream.publish({ subject: `$JS.API.CONSUMER.MSG.NEXT.${own}.p`, reply: inbox, payload })
        return seen
      }
      const first = request({ batch: 2, group: 'g' })
      const second = request({ batch: 9, group: 'g' })
      await publish(`${own}.1`)
      await publish(`${own}.2`)
      await publish(`${own}.3`)
      await eventually(() => first.length === 2)
      const pin = first[0]?.pin as string
      expect(first.map((message) => message.pin)).toEqual([pin, pin])
      // Other clients get nothing, also while the pinned client has no request.
      expect(second).toEqual([])
      const none = { batch: 1, max_bytes: 1, no_wait: true, expires: 0, group: 'g', id: pin }
      const keep = request(none)
      await eventually(() => keep.length === 1)
      // 409: too large. 408: the other requests expire.
      expect([408, 409]).toContain(keep[0]?.status)
      const asked = [
        request({ batch: 1 }),
        request({ batch: 1, group: 'h' }),
        request({ batch: 1, group: 'g', id: 'other' }),
      ]
      await eventually(() => asked.every(({ length }) => length === 1))
      expect(asked.map(([{ status } = {}]) => status)).toEqual([400, 400, 423])
      const more = request({ batch: 1, group: 'g', id: pin })
      await eventually(() => more.length === 1)
      expect(more[0]).toMatchObject({ subject: `${own}.3`, pin })

      // Unpinned. Delivered messages stay with the client until their ack wait ends.
      expect(errorOf(await api(`CONSUMER.UNPIN.${own}.p`, { group: 'h' }))).toBe(10160)
      expect((await api(`CONSUMER.UNPIN.${own}.p`, { group: 'g' })).error).toBeUndefined()
      await publish(`${own}.4`)
      await eventually(() => second.length === 1)
      expect(second[0]?.subject).toBe(`${own}.4`)
      expect(second[0]?.pin).not.toBe(pin)
      expect(await api(`CONSUMER.INFO.${own}.p`)).toMatchObject({
        num_ack_pending: 4,
        priority_groups: [{ group: 'g', pinned_client_id: second[0]?.pin }],
      })
      const late = request({ batch: 1, group: 'g', id: pin })
      await eventually(() => late.length === 1)
      expect(late[0]?.status).toBe(423)

      // A client without a request for the timeout loses the pin.
      const third = request({ batch: 9, group: 'g' })
      await eventually(async () => {
        await publish(`${own}.5`)
        return third.length > 0
      })
      expect(third[0]?.pin).not.toBe(second[0]?.pin)
      for (const end of requests) end()
    })

    it('copies messages of another stream with changed subjects, each once', async () => {
      const own = await stream({ allow_rollup_hdrs: true, allow_msg_ttl: true })
      const copy = `${own}copy`
      const partition = (g: number, of: number) => ({
        name: own,
        subject_transforms: [
          { src: `${own}.*.a`, dest: `${g}.{{partition(${of},1)}}.{{wildcard(1)}}.a` },
          { src: `${own}.b.>`, dest: `${g}.rest.>` },
        ],
      })
      const base = { name: copy, duplicate_window: SECOND / 10, allow_rollup_hdrs: true }
      await publish(`${own}.0.a`, 'zero', { 'Nats-Msg-Id': 'i', 'Nats-Expected-Last-Sequence': '0', Own: '1' })
      const made = await api(`STREAM.CREATE.${copy}`, { ...base, sources: [partition(1, 16)] })
      expect(made.error).toBeUndefined()
      if (!JSON.stringify(made.config).includes('subject_transforms')) {
        // Servers before 2.10 ignore the transforms.
        await api(`STREAM.DELETE.${copy}`)
        return expect(upstream.info.name).toMatch(/ 2\.[0-9]\./)
      }
      expect(made.config).toMatchObject({ sources: [partition(1, 16)] })
      for (const key of ['1', '2', '3']) await publish(`${own}.${key}.a`, key)
      await publish(`${own}.other`)
      await publish(`${own}.b.c.d`)
      // nats-server repeats a request of a source that got no answer after 10 s or more.
      const isCopied = (last: number) =>
        eventually(async () => Number((await state(copy)).last_seq) === last, {
          what: `${last} copies`,
          deadline: 60_000,
        })
      const copied = async (seq: number) => {
        const { message } = await api(`STREAM.MSG.GET.${copy}`, { seq })
        const { subject, data = '', hdrs = '' } = (message ?? {}) as Record<string, string>
        const fields = hdrs ? parseHeaders(Buffer.from(hdrs, 'base64')).fields : []
        return { subject, data: Buffer.from(data, 'base64').toString(), fields: Object.fromEntries(fields) }
      }
      await isCopied(5)
      const [first, ...others] = await Promise.all([1, 2, 3, 4, 5].map(copied))
      expect([first, ...others].map((one) => one?.subject)).toEqual([
        '1.15.0.a',
        '1.12.1.a',
        '1.5.2.a',
        '1.2.3.a',
        '1.rest.c.d',
      ])
      // The fields of the original without its conditions, and its place.
      const { 'Nats-Stream-Source': place, ...fields } = first?.fields ?? {}
      expect([first?.data, fields]).toEqual(['zero', { 'Nats-Msg-Id': 'i', Own: '1' }])
      expect(place).toMatch(new RegExp(`^${own} 1 .* ${own}\\.0\\.a( |$)`))
      await eventually(async () => (await api(`STREAM.INFO.${copy}`)).sources)
      const name = 'two'
      expect(await consumer(copy, { name, filter_subject: '1.2.>' })).toMatchObject({ num_pending: 1 })

      // Copies end without a source, and continue from a sequence.
      const closed = await api(`STREAM.UPDATE.${copy}`, { ...base, sources: [] })
      expect(closed.error).toBeUndefined()
      await publish(`${own}.5.a`)
      await publish(`${own}.6.a`)
      const reopened = { ...base, sources: [{ ...partition(2, 4), opt_start_seq: 7 }] }
      expect((await api(`STREAM.UPDATE.${copy}`, reopened)).error).toBeUndefined()
      await isCopied(7)
      expect((await copied(6)).subject).toMatch(/^2\.\d\.5\.a$/)
      // The TTL of the original has no effect without the option.
      await publish(`${own}.7.a`, 'ttl', { 'Nats-TTL': '1h' })
      await publish(`${own}.7.a`, 'rollup', { 'Nats-Rollup': 'sub' })
      await isCopied(9)
      expect((await state(copy)).messages).toBe(8)
      expect(await state(copy)).toMatchObject({ deleted: [8] })

      const bad = async (...sources: Json[]) =>
        errorOf(await api(`STREAM.CREATE.${own}bad`, { name: `${own}bad`, sources }))
      const to = (dest: string, src = `${own}.*`) => ({ name: own, subject_transforms: [{ src, dest }] })
      expect(await bad(to('x.{{partition(4,2)}}'))).toBe(10146)
      expect(await bad(to('x.{{nothing(1)}}'))).toBe(10146)
      expect(await bad(to('x.$1.>'))).toBe(10146)
      expect(await bad({ ...to('x.$1'), filter_subject: `${own}.*` })).toBe(10144)
      expect(await bad({ name: `${own}bad` })).toBe(10052)
      expect(await bad({ name: own }, { name: own })).toBe(10140)
      expect(
        errorOf(await api(`STREAM.UPDATE.${own}`, { name: own, subjects: [`${own}.>`], sources: [{ name: copy }] })),
      ).toBe(10052)
      await api(`STREAM.DELETE.${copy}`)
    }, 200_000)

    it('rejects invalid consumers', async () => {
      const own = await stream()
      const refused = async (config: Json) => errorOf(await consumer(own, { name: 'c', ...config }))
      expect(await refused({ deliver_policy: 'by_start_sequence' })).toBe(10094)
      expect(await refused({ deliver_policy: 'last_per_subject' })).toBe(10094)
      expect(await refused({ flow_control: true })).toBe(10089)
      expect(await refused({ deliver_subject: `${own}.x` })).toBe(10081)
      expect(await refused({ deliver_subject: 'a.*' })).toBe(10079)
      expect(await refused({ durable_name: 'other' })).toBe(10017)
      expect(await refused({ num_replicas: 3 })).toBe(10074)
      expect(errorOf(await api(`CONSUMER.INFO.${own}.none`))).toBe(10014)
      expect(errorOf(await api(`CONSUMER.CREATE.${own}none.c`, { stream_name: `${own}none`, config: {} }))).toBe(10059)
    })
  })
}

/** A status, or `m <stream sequence> <consumer sequence> <pending>`. */
function describeMessage({ reply = '', headers }: UpstreamMessage): string {
  const place = parseAckSubject(reply)
  if (place) return `m ${place.seq} ${place.consumerSeq} ${place.pending}`
  const { status, description } = parseHeaders(headers as Uint8Array)
  return `${status} ${description}`
}
