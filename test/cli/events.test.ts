/** tail, pub, request, streams, consumers and dead, against a bridge and against NATS itself. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { consume } from '../../sdk/consumer/index.ts'
import { connect, defineEvents, event, type Transport, webSocket } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats as natsTransport } from '../../sdk/transport/nats/index.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { runCli, startCli } from './cli-process.ts'
import { events } from './projects/events.ts'

// Each command is a process, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const CONTRACT = 'test/cli/projects/events.ts'

const onNats = ['a bridge on nats-server', 'nats-server'] as const
/** The second run of `npm test` is for another nats-server, and repeats only what depends on it. */
const kinds = process.env.SPANWIRE_RUN === 'second' ? onNats : (['an embedded bridge', ...onNats] as const)

describe.each(kinds)('against %s', (kind) => {
  let server: NatsServer | undefined
  let bridge: BridgeServer | undefined
  let transport: Transport
  let env: Record<string, string>

  beforeAll(async () => {
    if (kind !== 'an embedded bridge') server = await startNatsServer({ jetstream: true })
    if (kind !== 'nats-server')
      bridge = await serve({ upstream: server?.url ?? 'embedded', auth: { secret: SECRET }, port: 0 })
    const url = bridge?.url ?? server?.url ?? ''
    transport = bridge ? webSocket({ url, token: rootToken }) : natsTransport({ url })
    env = { SPANWIRE_URL: url, ...(bridge && { SPANWIRE_TOKEN: await rootToken() }) }
    await bridge?.bridge.hub.opened
  })

  afterAll(async () => {
    await transport?.close()
    await bridge?.close()
    await server?.[Symbol.asyncDispose]()
  })

  const cli = (...args: string[]) => runCli(args, { env })

  it('plans and makes the streams of a contract', async () => {
    const plan = await cli('streams', 'plan', CONTRACT)
    expect(plan.stdout).toContain('CLI_SHOP would be made\n  allow_direct: true\n  subjects: ["shop.*.paid"]')
    expect(plan.code).toBe(0)
    const applied = await cli('streams', 'apply', CONTRACT, '--json')
    expect(JSON.parse(applied.stdout)).toMatchObject([{ stream: 'CLI_SHOP', did: 'created', applied: true }])
    expect((await cli('streams', 'apply', CONTRACT)).stdout).toBe('CLI_SHOP is as declared\n')
  })

  // The unit test of deployed contracts covers the embedded broker.
  it.runIf(kind === 'nats-server')('keeps the deployed contract, for check and tail', async () => {
    const checked = await cli('contract', 'check', CONTRACT, '--json')
    expect(checked.code).toBe(0)
    expect(JSON.parse(checked.stdout)).toMatchObject([
      { event: 'chat.{room}.message', verdict: 'unchanged' },
      { verdict: 'unchanged' },
      { verdict: 'unchanged' },
    ])
    const none = await cli('contract', 'check', CONTRACT, '--deployed', '--name', 'other')
    expect([none.code, none.stderr]).toEqual([5, expect.stringContaining('NATS has no contract "other"')])
    await using tail = startCli(['tail', '>', '--deployed', '--json', '--count', '2'], { env })
    const line = async () => {
      const publish = () => transport.publish('chat.a.message', new TextEncoder().encode('{"text":"hi"}'))
      const timer = setInterval(() => void publish().catch(() => {}), 100)
      try {
        return await tail.json<{ subject: string; event?: string; data: unknown }>()
      } finally {
        clearInterval(timer)
      }
    }
    expect(await line()).toMatchObject({
      subject: 'chat.a.message',
      event: 'chat.{room}.message',
      data: { text: 'hi' },
    })
  })

  it('refuses changes that lose data with exit code 1, unless they are meant', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'spanwire-cli-'))
    try {
      const contract = new URL('./projects/events.ts', import.meta.url).pathname
      const at = (maxAge: number) => ({ contract, streams: { defaults: { maxAge } } })
      const write = (config: object) => writeFile(join(folder, 'spanwire.config.json'), JSON.stringify(config))
      const inFolder = (...args: string[]) => runCli(args, { env, cwd: folder })
      await write(at(60_000))
      const first = await inFolder('streams', 'plan')
      expect(first.stdout).toContain('loses data: max_age goes down from 0 to 60000000000')
      expect(first.code).toBe(1)
      const refused = await inFolder('streams', 'apply')
      expect(refused.stderr).toContain('No stream is changed. If the loss is meant, give --destructive.')
      expect(refused.code).toBe(1)
      expect((await inFolder('streams', 'apply', '--destructive')).code).toBe(0)
      await write(at(3_600_000))
      expect((await inFolder('streams', 'apply')).code).toBe(0)
      await write({ contract, streams: { defaults: { ttl: true, schedules: true, atomic: true } } })
      const features = await inFolder('streams', 'apply')
      const isOld = Number(server?.version.split('.')[1] ?? 99) < 12
      expect(features.stdout + features.stderr).toMatch(
        isOld
          ? /CLI_SHOP was not changed: allow_\w+ requires nats-server 2\.1[12]/
          : /allow_rollup_hdrs: false -> true[\s\S]*allow_msg_ttl: \S+ -> true\n {2}subject_delete_marker_ttl: \S+ -> 1000000000\n {2}allow_msg_schedules: \S+ -> true\n {2}allow_atomic: \S+ -> true\n {2}subjects: \["shop\.\*\.paid"\] -> \["shop\.\*\.paid","\$SCHEDULE\.CLI_SHOP\.>"\]/,
      )
      expect(features.code).toBe(isOld ? 2 : 0)
      await write({ contract, streams: { defaults: { storage: 'memory' } } })
      const impossible = await inFolder('streams', 'apply', '--destructive')
      expect(impossible.stdout).toContain("impossible: JetStream can't change storage")
      expect(impossible.code).toBe(1)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('publishes events, by a contract and without', async () => {
    const seen: unknown[] = []
    const bus = connect({ transport, events, onInvalid: () => {} })
    await bus.on('chat.{room}.message', (e) => seen.push([e.params.room, e.data.text])).ready
    const byName = ['pub', 'chat.{room}.message', '{"text":"hello"}', '--param', 'room=lobby']
    expect((await cli(...byName, '--contract', CONTRACT)).stderr).toBe('Published 16 bytes to chat.lobby.message\n')
    expect((await cli('pub', 'chat.bar.message', '{"text":"plain"}')).code).toBe(0)
    const lines = await runCli(['pub', 'chat.a.message', '-', '--lines', '--json'], {
      env,
      input: '{"text":"1"}\n\n{"text":"2"}\n',
    })
    expect(lines.stdout.trim().split('\n')).toHaveLength(2)
    await eventually(() => seen.length === 4)
    expect(seen).toEqual([
      ['lobby', 'hello'],
      ['bar', 'plain'],
      ['a', '1'],
      ['a', '2'],
    ])
  })

  it('stores an event once by its id', async () => {
    const args = [
      'pub',
      'shop.{id}.paid',
      '{"total":12}',
      '--param',
      'id=42',
      '--id',
      'one',
      '--contract',
      CONTRACT,
      '--json',
    ]
    const acks = [await cli(...args), await cli(...args)].map(({ stdout }) => JSON.parse(stdout))
    expect(acks).toMatchObject([
      { stream: 'CLI_SHOP', seq: 1, duplicate: false },
      { stream: 'CLI_SHOP', seq: 1, duplicate: true },
    ])
    expect((await cli('pub', 'shop.43.paid', '{"total":13}', '--stored')).stderr).toContain(', CLI_SHOP #2')
  })

  it('shows past events of a stream, and then live events', async () => {
    await using tail = startCli(['tail', 'shop.*.paid', '--from', 'all', '--json'], { env })
    await tail.written(/"seq":2/)
    await cli('pub', 'shop.44.paid', '{"total":1,"big":12345678901234567890}', '--stored')
    await tail.written(/"seq":3/)
    expect(await tail.stop('SIGINT')).toBe(0)
    const shown = tail.output.stdout.trim().split('\n')
    expect(shown.map((line) => JSON.parse(line))).toMatchObject([
      { subject: 'shop.42.paid', data: { total: 12 }, id: 'one', seq: 1 },
      { subject: 'shop.43.paid', data: { total: 13 }, seq: 2 },
      { subject: 'shop.44.paid', seq: 3 },
    ])
    expect(shown[2]).toContain('"big":12345678901234567890')

    const last = await cli('tail', 'shop.{id}.paid', '--from', 'last:1', '--count', '1')
    expect(last.stdout).toMatch(/^[\d:.]+ {2}shop\.44\.paid {2}\{"total":1,"big":\d+\} {2}#3\n$/)
    const [, cursor = ''] =
      /Continue with --from (\S+)/.exec((await cli('tail', 'shop.*.paid', '--from', 'all', '--count', '2')).stderr) ??
      []
    const more = await cli('tail', 'shop.*.paid', '--from', cursor, '--count', '1', '--json')
    expect(
      more.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).seq),
    ).toEqual([3])
  })

  it('marks events that the contract refuses, and leaves out events that do not match', async () => {
    const args = [
      'tail',
      '>',
      '--contract',
      CONTRACT,
      '--grep',
      'secret|message',
      '--count',
      '3',
      '--json',
      '--from',
      'new',
    ]
    const live = args.slice(0, -2)
    await using tail = startCli(live, { env })
    // Repeated: the output does not show when it is subscribed.
    const publishing = setInterval(
      () => void transport.publish('chat.a.message', new TextEncoder().encode('{"text":1}')),
      100,
    )
    await tail
      .written(/"invalid":"The data of chat\.a\.message is not valid: text: .*"/)
      .finally(() => clearInterval(publishing))
    await tail.stop()
  })

  it('shows nothing that controls a terminal', async () => {
    await using tail = startCli(['tail', 'evil.>'], { env })
    const evil = new TextEncoder().encode('\u001b[2Jhello\u009b31m')
    const publishing = setInterval(() => void transport.publish('evil.x', evil), 100)
    await tail.written(/evil\.x/).finally(() => clearInterval(publishing))
    expect(tail.output.stdout).toContain('"\\u001b[2Jhello\\u009b31m"')
    expect(tail.output.stdout).not.toMatch(/(?!\n)\p{Cc}/u)
    await tail.stop()
  })

  it('sends a request and shows the answer', async () => {
    const bus = connect({ transport, events, onInvalid: () => {}, onError: () => {} })
    await bus.respond('quotes.{symbol}.get', ({ params }) => ({ price: params.symbol === 'ABC' ? 7 : Number.NaN }))
      .ready
    const args = ['request', 'quotes.{symbol}.get', '{}', '--contract', CONTRACT]
    const answer = await cli(...args, '--param', 'symbol=ABC')
    expect([answer.stdout, answer.code]).toEqual(['{"price":7}\n', 0])
    expect(JSON.parse((await cli('request', 'quotes.ABC.get', '{}', '--json')).stdout)).toMatchObject({
      data: { price: 7 },
    })
    const bad = await cli(...args, '--param', 'symbol=X')
    expect(bad.stderr).toMatch(/responder-failed|invalid-data/)
    expect(bad.code).not.toBe(0)
    const silent = await cli('request', 'no.service', '{}')
    expect([silent.code, silent.stderr]).toMatchObject([3, expect.stringContaining('no-responders')])
  })

  it('lists consumers, and dead letters with their reason, and puts them back under their own ids', async () => {
    const work = defineEvents({
      'work.{id}.begun': event(z.object({ n: z.number() }), { stream: 'CLI_WORK' }),
      'dead.{consumer}': event(z.unknown(), { stream: 'CLI_DEAD' }),
    })
    await ensureStreams(work, transport, { defaults: { duplicateWindow: 1_000 } })
    const bus = connect({ transport, events: work })
    let isBroken = true
    const done: Array<readonly [string, number]> = []
    const worker = consume(
      { events: work, connection: transport },
      'work.{id}.begun',
      (e) => {
        if (isBroken && e.data.n > 1) throw new Error(`no place for ${e.data.n}`)
        done.push([e.id, e.data.n])
      },
      { consumer: 'workers', backoff: [1], deadLetter: { subject: 'dead.workers', attempts: 2 }, onError: () => {} },
    )
    for (const n of [1, 2, 3]) await bus.publish('work.{id}.begun', { id: String(n) }, { n }, { id: `work-${n}` })
    const list = async (...args: string[]) => {
      const { stdout } = await cli('dead', 'list', 'dead.*', '--json', ...args)
      return stdout
        .trim()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    }
    await eventually(async () => (await list()).length === 2, { what: 'two dead letters', deadline: 20_000 })
    expect(await list()).toMatchObject([
      {
        subject: 'work.2.begun',
        consumer: 'workers',
        attempts: 2,
        reason: 'no place for 2',
        id: 'work-2',
        data: { n: 2 },
      },
      { subject: 'work.3.begun', id: 'work-3' },
    ])
    const table = await cli('dead', 'list', 'dead.workers', '--grep', 'for 3')
    expect(table.stdout).toMatch(
      /^SEQ +PUT ASIDE +SUBJECT +CONSUMER +ATTEMPTS +REASON\n2 .* work\.3\.begun +workers +2 +no place for 3\n$/,
    )
    expect((await cli('dead', 'redrive', 'dead.workers')).stderr).toContain(
      'Choose dead letters: --seq, --consumer, --grep, or --all.',
    )

    const [consumer] = JSON.parse((await cli('consumers', 'CLI_WORK', '--json')).stdout)
    expect(consumer).toMatchObject({
      stream: 'CLI_WORK',
      consumer: 'workers',
      filter: 'work.*.begun',
      pending: 0,
      lag: 0,
    })
    expect((await cli('consumers')).stdout).toMatch(
      /^STREAM +CONSUMER +FILTER[^\n]*\n(.*\n)*CLI_WORK +workers +work\.\*\.begun/,
    )

    isBroken = false
    // The stream ignores duplicates within its window: the dead letters are kept.
    const redrive = () => cli('dead', 'redrive', 'dead.workers', '--all', '--json')
    await eventually(async () => (await redrive()).code === 0, { what: 'the end of the duplicate window' })
    await eventually(() => done.length === 3, { what: 'the events that were put back' })
    expect(done.toSorted()).toEqual([
      ['work-1', 1],
      ['work-2', 2],
      ['work-3', 3],
    ])
    expect(await list()).toEqual([])
    await worker.drain()
  }, 60_000)
})

const describeOnce = kinds === onNats ? () => {} : describe
describeOnce('an impossible command', () => {
  let bridge: BridgeServer
  let env: Record<string, string>

  beforeAll(async () => {
    bridge = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
    env = { SPANWIRE_URL: bridge.url, SPANWIRE_TOKEN: await rootToken() }
  })

  afterAll(() => bridge?.close())

  it.concurrent.each([
    [['tail', 'a b'], 2, /"a b" is not a subject filter/],
    [['tail', 'a', '--from', 'yesterday'], 2, /--from is "yesterday": it must be all, new, last, /],
    [['tail', 'a', '--grep', '('], 2, /--grep is not a regular expression/],
    [['tail', 'a', '--count', '0'], 2, /--count is "0": it must be a whole number from 1/],
    [['tail', 'nowhere.kept', '--from', 'all'], 5, /stream-not-found/],
    [['pub', 'a.*', 'x'], 2, /"a\.\*" is not a subject to publish to/],
    [['pub', 'a.{b}', 'x'], 2, /is not a valid \{b\} of a\.\{b\}/],
    [['pub', 'a', 'x', '--param', 'b=c'], 2, /a plain subject has none/],
    [['pub', 'other.x', '{}', '--contract', CONTRACT], 2, /No event of the contract has the subject other\.x/],
    [['pub', 'chat.a.message', 'hello', '--contract', CONTRACT], 2, /is not application\/json: .*Quote it/],
    [
      ['pub', 'chat.a.message', '{"text":1}', '--contract', CONTRACT],
      2,
      /The data of chat\.a\.message is not valid: text/,
    ],
    [['pub', 'a', '@/no/file'], 2, /names \/no\/file, which can't be read \(ENOENT\)/],
    [['pub', 'a', 'x', '--contract', 'no-such.ts'], 2, /The file no-such\.ts does not exist in /],
    [['streams', 'plan'], 2, /No contract is named/],
    [['consumers', 'NONE'], 5, /stream-not-found/],
  ] as const)('explains %j in one line, with exit code %i', async (args, code, message) => {
    const result = await runCli(args, { env })
    expect(result.stderr).toMatch(message)
    expect([result.code, result.stderr.trim().split('\n').length]).toEqual([code, 1])
  })
})

describe('without a connection', () => {
  it('reports an unreachable address with its exit code', async () => {
    const { code, stderr } = await runCli(['pub', 'a', 'b', '--url', 'http://127.0.0.1:9', '--connect-timeout', '500'])
    expect(stderr).toMatch(
      /No connection to http:\/\/127\.0\.0\.1:9\S* within 500 ms: .*"spanwire doctor" finds out why\./,
    )
    expect(code).toBe(3)
  })

  it('reports a refused token', async () => {
    await using bridge = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
    const { code, stderr } = await runCli(['pub', 'a', 'b', '--url', bridge.url, '--token', 'nonsense'])
    expect(stderr).toMatch(/authentication-failed/)
    expect(code).toBe(4)
  })
})
