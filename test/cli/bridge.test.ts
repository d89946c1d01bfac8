import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { connect, defineEvents } from '../../sdk/index.ts'
import { descendants } from '../support/descendants.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { isSkipped } from '../support/runtimes.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { runCli, startCli } from './cli-process.ts'

// Each command is a process, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const KEY = 'abcdefghijklmnopqrstuvwxyz0123456789'
const events = defineEvents({ 'cli.{id}.said': z.object({ text: z.string() }) })
const bearer = { Authorization: `Bearer ${KEY}` }

let nats: NatsServer
let folder: string

beforeAll(async () => {
  nats = await startNatsServer({ jetstream: true })
  folder = await mkdtemp(join(tmpdir(), 'spanwire-cli-'))
})

afterAll(async () => {
  await nats?.[Symbol.asyncDispose]()
  if (folder) await rm(folder, { recursive: true, force: true })
})

interface Listening {
  readonly url: string
  readonly pid: number
  readonly processes: number
}

describe('spanwire bridge', () => {
  it('takes its settings from variables, as the Worker does, and drains on SIGTERM', async () => {
    const env = {
      UPSTREAM_URL: nats.url,
      AUTH_SECRET: SECRET,
      MONITORING_KEY: KEY,
      ORIGINS: 'https://a.example',
      PORT: '0',
      CONTRACT: 'test/cli/projects/events.ts',
      UNKNOWN_SUBJECTS: 'pass',
    }
    await using bridge = startCli(['bridge', '--json'], { env })
    const { url } = await bridge.json<Listening>()
    await using bus = connect({ url, events, token: rootToken })
    const seen: string[] = []
    await bus.on('cli.{id}.said', (e) => seen.push(e.data.text)).ready
    await bus.publish('cli.{id}.said', { id: '1' }, { text: 'hello' })
    await eventually(() => seen.length === 1)
    expect((await fetch(`${url}/varz`, { headers: bearer })).status).toBe(200)
    const headers = { Authorization: `Bearer ${await rootToken()}` }
    const refused = await fetch(`${url}/publish/chat.a.message`, { method: 'POST', body: '{"text":7}', headers })
    expect([refused.status, await refused.json()]).toMatchObject([422, { issues: [{ path: ['text'] }] }])
    const preflight = await fetch(`${url}/publish/a`, { method: 'OPTIONS', headers: { Origin: 'https://a.example' } })
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://a.example')
    await bus.close()
    expect(await bridge.stop()).toBe(0)
  })

  it('takes them from a file, and lets a variable and a flag go before it', async () => {
    const config = `
      import { defineConfig } from ${JSON.stringify(new URL('../../bridge/cli/config.ts', import.meta.url).href)}
      export default defineConfig({
        bridge: {
          upstream: 'embedded', port: 0, auth: { secret: 'x'.repeat(32) }, monitoring: { key: '${KEY}' },
          limits: { maxConnections: 7, maxPayload: 1000 }, flushWindow: (filter) => filter === 'a' ? 10 : 0,
        },
      })`
    await writeFile(join(folder, 'spanwire.config.ts'), config)
    const args = ['bridge', '--json', '--limit', 'maxPayload=2000', 'maxConnections=8']
    await using bridge = startCli(args, { cwd: folder, env: { AUTH_SECRET: SECRET, LIMITS: 'maxPayload=1' } })
    const { url } = await bridge.json<Listening>()
    await using bus = connect({ url, events, token: rootToken })
    await bus.publish('cli.{id}.said', { id: '1' }, { text: 'hello' })
    expect(await (await fetch(`${url}/varz`, { headers: bearer })).json()).toMatchObject({
      max_payload: 2000,
      max_connections: 8,
    })
  })

  it.concurrent.each<readonly [string, readonly string[], Record<string, string>, RegExp]>([
    ['no upstream', [], {}, /No upstream is set: give --upstream/],
    ['no way to authenticate', ['--upstream', 'embedded'], {}, /The bridge would refuse all clients\. .*auth\.secret/],
    ['a short secret', ['--upstream', 'embedded'], { AUTH_SECRET: 'short' }, /auth\.secret has 5 bytes\. HS256 needs/],
    ['a bad port', ['--port', '65536'], {}, /--port is "65536": it must be a whole number from 0 to 65535/],
    ['a bad variable', [], { DRAIN_PATIENCE: '1s' }, /DRAIN_PATIENCE is "1s": it must be a whole number of ms/],
    ['a bad origin', ['--origins', 'app.example'], {}, /--origins is "app\.example": .*not an origin/],
    ['a bad limit', ['--limit', 'maxPaylod=1'], {}, /--limit is "maxPaylod=1": .*maxPaylod.* maxPayload/],
    ['a bad upstream', ['--upstream', 'http://x'], { AUTH_SECRET: SECRET }, /Not an upstream\. Use 'embedded'/],
    ['a missing file', ['--auth-secret-file', '/no/file'], {}, /--auth-secret-file names \/no\/file.*ENOENT/],
    ['a bad level', [], { LOG: 'verbose' }, /LOG is "verbose": it must be debug or info or warn or error or off/],
    [
      'a bad path',
      ['--inspector', 'ops'],
      {},
      /--inspector is "ops": it must be on, off or a path such as \/inspector/,
    ],
    [
      'an inspector without a key',
      ['--upstream', 'embedded', '--auth-anonymous', 'all', '--inspector', 'on'],
      {},
      /The inspector reads the monitoring routes\. Set monitoring\.key\./,
    ],
    ['a short key', [], { ADMIN_KEY: 'abc' }, /ADMIN_KEY is not a key: it must have at least 32/],
    [
      'bad permissions',
      ['--auth-anonymous', '{"pub":{}}'],
      {},
      /--auth-anonymous has "pub": it must be "all" or such as/,
    ],
    [
      'processes without NATS',
      ['--upstream', 'embedded', '--processes', '2', '--auth-anonymous', 'all'],
      {},
      /processes share nothing without NATS/,
    ],
    ['an unknown flag', ['--upsteam', 'x'], {}, /Unknown option '--upsteam'\. Did you mean --upstream\?/],
    ['an argument', ['now'], {}, /Too many arguments for 'bridge'/],
  ])('names %s and the allowed values, in one line without a stack', async (_, args, env, message) => {
    const { code, stdout, stderr } = await runCli(['bridge', ...args], { env })
    expect(stderr).toMatch(message)
    expect([code, stdout, stderr.trim().split('\n').length]).toEqual([2, '', 1])
    expect(stderr).not.toContain('short')
  })

  it.concurrent.each([
    ['{"bridg":{}}', /has "bridg": allowed are contract, bridge, streams/],
    ['{"bridge":{"prt":1}}', /bridge\.json has bridge\.prt, which is not an option: allowed are admin, auth, /],
    ['{"bridge":{"auth":{"secrt":"x"}}}', /has bridge\.auth\.secrt, .* allowed are accounts, algorithms, /],
    ['{"bridge":{"port":"x"}}', /bridge\.port in bridge\.json is "x": it must be a whole number/],
    ['{', /bridge\.json can't be read as JSON/],
  ])('names the fault in a configuration file: %s', async (text, message) => {
    const file = join(await mkdtemp(join(folder, 'config-')), 'bridge.json')
    await writeFile(file, text)
    const { code, stderr } = await runCli(['bridge', '--config', 'bridge.json'], { cwd: dirname(file) })
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })

  it('reports a busy port', async () => {
    const { port } = new URL(nats.monitorUrl)
    const args = ['bridge', '--upstream', 'embedded', '--auth-anonymous', 'all', '--port', port]
    const { code, stderr } = await runCli(args)
    expect(stderr).toMatch(new RegExp(`Can't listen on 127\\.0\\.0\\.1:${port}: .*`))
    expect(code).toBe(3)
  })
})

describe.each(['node', 'bun', 'deno'] as const)('spanwire bridge --processes on %s', (runtime) => {
  it.skipIf(isSkipped(runtime))(
    'shares a port, and admin, monitoring, presence and the SSE fallback work across the processes',
    async () => {
      const env = { UPSTREAM_URL: nats.url, AUTH_SECRET: SECRET, MONITORING_KEY: KEY, ADMIN_KEY: KEY, PORT: '0' }
      await using bridge = startCli(['bridge', '--json', '--processes', '3'], { env, runtime })
      const { url, processes } = await bridge.json<Listening>()
      expect(processes).toBe(3)

      // Until two of the clients are at different processes: which one takes a connection is the system's choice.
      const buses = Array.from({ length: 8 }, (_, n) =>
        connect({
          url,
          events,
          token: rootToken,
          via: n % 2 ? 'sse' : 'websocket',
          backoff: { first: 50, longest: 100 },
        }),
      )
      const rooms = await Promise.all(buses.map((bus) => bus.presence('cli-room')))
      await Promise.all(rooms.map((room) => room.join({})))
      await eventually(() => rooms.every(({ members }) => members.size === buses.length), { what: 'all members' })

      const counts = await Promise.all(
        ['hub-1', 'hub-2', 'hub-3'].map(async (hub) => {
          const answer = await fetch(`${url}/varz?hub=${hub}`, { headers: bearer })
          return (await answer.json()) as { server_id: string; connections: number }
        }),
      )
      expect(new Set(counts.map(({ server_id }) => server_id)).size).toBe(3)
      expect(counts.reduce((sum, { connections }) => sum + connections, 0)).toBe(buses.length)
      const without = await fetch(`${url}/varz`, { headers: bearer })
      expect([without.status, await without.text()]).toMatchObject([
        400,
        expect.stringContaining('hub-1, hub-2, hub-3'),
      ])
      const metrics = await (await fetch(`${url}/metrics`, { headers: bearer })).text()
      expect(metrics.match(/^spanwire_connections\{hub="hub-\d"\} \d+$/gm)).toHaveLength(3)
      expect(metrics.match(/^# HELP spanwire_connections /gm)).toHaveLength(1)

      const received = buses.map(() => [] as number[])
      await Promise.all(
        buses.map((bus, n) => bus.on('cli.{id}.said', (e) => received[n]?.push(Number(e.data.text))).ready),
      )
      for (const [n, bus] of buses.entries()) await bus.publish('cli.{id}.said', { id: 'x' }, { text: String(n) })
      const all = buses.map((_, n) => n)
      await eventually(() => received.every((list) => list.length === all.length), {
        what: 'every event at every client',
      })
      expect(received).toEqual(buses.map(() => all))

      const closed = Promise.all(buses.map((bus) => eventually(() => bus.status.current.state !== 'open')))
      const order = { method: 'POST', headers: bearer, body: JSON.stringify({ user: 'tester' }) }
      expect((await fetch(`${url}/admin/disconnect`, order)).status).toBe(202)
      await closed
      await Promise.all(buses.map((bus) => bus.close()))
      expect(await bridge.stop()).toBe(0)
    },
  )

  it.skipIf(isSkipped(runtime))(
    'replaces a process that was killed, and ends with the one that started them',
    async () => {
      const env = { UPSTREAM_URL: nats.url, AUTH_SECRET: SECRET, MONITORING_KEY: KEY, PORT: '0' }
      await using bridge = startCli(['bridge', '--json', '--processes', '2'], { env, runtime })
      const { url, pid } = await bridge.json<Listening>()
      // With SO_REUSEPORT it would take half of the connections.
      const other = await runCli(['bridge', '--processes', '2'], { env: { ...env, PORT: new URL(url).port }, runtime })
      expect([other.code, other.stderr]).toEqual([
        3,
        expect.stringMatching(/Can't listen on 127\.0\.0\.1:\d+: .*in use/),
      ])
      const idOf = async (hub: string) => {
        const answer = await fetch(`${url}/varz?hub=${hub}`, { headers: bearer })
        return ((await answer.json()) as { server_id?: string }).server_id
      }
      // Hubs reach each other once both are connected to NATS.
      const before = await eventually(
        async () => {
          const ids = await Promise.all([idOf('hub-1'), idOf('hub-2')])
          return ids.every((id) => id !== undefined) ? ids : undefined
        },
        { what: 'both hubs', deadline: 20_000 },
      )
      const [victim = 0] = await descendants(pid)
      process.kill(victim, 'SIGKILL')
      const after = await eventually(
        async () => {
          const ids = await Promise.all([idOf('hub-1'), idOf('hub-2')])
          return ids.every((id) => id !== undefined) && String(ids) !== String(before) ? ids : undefined
        },
        { what: 'another process', deadline: 20_000 },
      )
      expect(after.filter((id) => before.includes(id))).toHaveLength(1)
      expect(bridge.output.stderr).toMatch(/hub-\d ended \(SIGKILL\); another starts in \d+ ms/)

      const children = await descendants(pid)
      process.kill(pid, 'SIGKILL')
      await eventually(() => children.every((child) => !isAlive(child)), {
        what: 'the end of the processes',
        deadline: 20_000,
      })
    },
  )
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
