import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, it } from 'vitest'
import { DEPARTED, events } from '../../demo/events.ts'
import { connect } from '../../sdk/index.ts'
import { descendants } from '../support/descendants.ts'
import { eventually } from '../support/eventually.ts'
import { isSkipped } from '../support/runtimes.ts'

const script = join(import.meta.dirname, '../../demo/start.mjs')

let child: ChildProcess | undefined
let output = ''

afterEach(async () => {
  if (!child || child.exitCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
})

function start(env: NodeJS.ProcessEnv, ...args: string[]): void {
  output = ''
  child = spawn(process.execPath, [script, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk
    })
  }
}

async function exitCode(): Promise<number | null | undefined> {
  await eventually(() => child?.exitCode !== null, { deadline: 90_000, what: `the end of npm start\n${output}` })
  return child?.exitCode
}

async function occupy(): Promise<{ port: number; server: Server }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as { port: number }).port, server }
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

it('starts every part on the next free port, and stops every process', async () => {
  const busy = await occupy()
  start({ PORT: String(busy.port) })
  const url = await eventually(() => /Open (http:\S+)/.exec(output)?.[1], { deadline: 90_000, what: 'the page' })
  expect(output).toContain(`Port ${busy.port} is busy`)
  expect(output).toMatch(/nats-server \d+\.\d+\.\d+/)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  expect(await (await fetch(url)).text()).toContain('<script')

  const pids = await descendants(child?.pid ?? 0)
  // start.ts, nats-server, wrangler, workerd, two publishers.
  expect(pids.length).toBeGreaterThanOrEqual(6)
  child?.kill('SIGTERM')
  expect(await exitCode()).toBe(0)
  await eventually(() => !pids.some(runs), { what: `the end of ${pids.filter(runs)}` })
  busy.server.close()
}, 120_000)

// ActiveMQ starts in the shortest time, and its protocol has headers of its own.
it.skipIf(isSkipped('activemq'))(
  'brings the flights of the east from another broker, with its name in each',
  async () => {
    const { port, server } = await occupy()
    server.close()
    start({ PORT: String(port) }, '--broker', 'activemq')
    const url = await eventually(() => /Open (http:\S+)/.exec(output)?.[1], { deadline: 120_000, what: 'the page' })
    expect(output).toMatch(/by a relay from activemq \d/)
    const token = async () => ((await (await fetch(`${url}/demo/token`)).json()) as { token: string }).token
    await using bus = connect({ url, events, token })
    const ways = new Set<string>()
    for await (const { data, subject } of bus.subscribe(DEPARTED)) {
      expect(subject).toMatch(/^flights\.[A-Z]{3}\.[A-Z]{3}\.departed$/)
      if (ways.add(data.via).size === 2) break
    }
    expect([...ways].sort()).toEqual(['activemq', 'http'])
  },
  180_000,
)

it('starts nats-server again after SIGKILL, with all flights', async () => {
  const { port, server } = await occupy()
  server.close()
  start({ PORT: String(port) })
  const url = await eventually(() => /Open (http:\S+)/.exec(output)?.[1], { deadline: 90_000, what: 'the page' })
  const token = async () => ((await (await fetch(`${url}/demo/token`)).json()) as { token: string }).token
  await using bus = connect({ url, events, token })
  const seen: number[] = []
  await bus.on(DEPARTED, ({ seq = 0 }) => void seen.push(seq)).ready
  const flies = () => {
    const before = seen.length
    return eventually(() => seen.length > before, { deadline: 30_000, what: `a flight\n${output}` })
  }
  await flies()
  // nats-server is the only one of them that takes a configuration file.
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,args='])
  const pids = await descendants(child?.pid ?? 0)
  const pid = pids.find((one) => new RegExp(`^ *${one} .*nats-server.* -c `, 'm').test(stdout)) as number
  process.kill(pid, 'SIGKILL')
  await eventually(() => bus.status.current.state === 'reconnecting', { what: 'the status after NATS ended' })
  await eventually(() => bus.status.current.state === 'open', { deadline: 30_000, what: `NATS\n${output}` })
  await flies()
  // Each event is delivered once and in order, even across the outage.
  expect(seen).toEqual(seen.map((_, index) => (seen[0] as number) + index))
  expect(output).toContain('nats-server ended unexpectedly (SIGKILL). It starts again in 3 s')
}, 150_000)

it('delivers an event to a subscriber, and prints no secret', async () => {
  const { port, server } = await occupy()
  server.close()
  start({ PORT: String(port) }, '--once')
  expect(await exitCode()).toBe(0)
  expect(output).toMatch(/First event: flights\.[A-Z]{3}\.[A-Z]{3}\.departed/)
  expect(output).not.toMatch(/eyJ|AUTH_SECRET/)
}, 120_000)

it('explains invalid settings', async () => {
  start({ PORT: 'http' })
  expect(await exitCode()).toBe(1)
  expect(output).toContain('PORT=http is not a port')
  start({ NATS_SERVER: '/nonexistent/nats-server' })
  expect(await exitCode()).toBe(1)
  expect(output).toContain('NATS_SERVER=/nonexistent/nats-server is not a nats-server')
  expect(output).not.toMatch(/^\s+at /m)
}, 60_000)
