/** Runs every block of code in the README and the guides of its folders unchanged: with a real nats-server, on Node and in Chromium. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { connect as connectNats } from 'nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../demo/setup/free-port.ts'
import { root } from '../build/source-files.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { GUIDE, readGuide } from '../support/readme.ts'
import { isSkipped } from '../support/runtimes.ts'
import { SECRET } from '../support/token.ts'
import { FAKE_CLOCK, type Package, packPackage } from './package.ts'
import { createProject, type Project } from './project.ts'

/** Blocks by the test that runs them. */
const RUN_HERE = [
  ...['events.ts', 'client.ts', 'stored.ts', 'deploy.ts', 'work.ts', 'offline.ts', 'room.ts', 'resume.test.ts'],
  ...['edge.ts', 'docs.ts', 'traces.ts', 'bridge.ts', 'token.ts', 'app.ts', 'rates.ts', 'service.ts', 'tabs.ts'],
  ...['projection.ts', 'log.ts', 'partitions.ts', 'reminders.ts', 'checked-server.ts', 'versions.ts'],
]
const RUN_ELSEWHERE = {
  'first-steps.test.ts': ['index.html', 'page.ts'],
  'packaging.test.ts': ['worker.ts', 'wrangler.jsonc', 'Room.tsx'],
  '../unit/sdk/store/frameworks.test.ts': ['vue.ts', 'svelte.ts', 'solid.ts'],
}

/** The oldest OpenTelemetry that is supported. Other tests use the newest. */
const OPENTELEMETRY = [
  ...['@opentelemetry/api@1.9.0', '@opentelemetry/sdk-trace-base@2.12.1'],
  ...['@opentelemetry/context-async-hooks@2.12.0', '@opentelemetry/core@2.12.1'],
]

let nats: NatsServer
let project: Project
let packed: Package
let pageUrl: string
const children: ChildProcess[] = []

/** Starts a module of the project and waits until it prints `ready`. Returns a function that returns its output. */
async function start(module: string, ready: string, env: Record<string, string>): Promise<() => string> {
  const child = project.start(process.execPath, [module], env)
  children.push(child)
  let output = ''
  child.stdout?.on('data', (chunk) => (output += chunk))
  child.stderr?.on('data', (chunk) => (output += chunk))
  await eventually(() => output.includes(ready), { what: ready }).catch((cause) => {
    throw new Error(`${module} wrote:\n${output}`, { cause })
  })
  return () => output
}

beforeAll(async () => {
  packed = await packPackage()
  nats = await startNatsServer({ jetstream: true })
  project = await createProject('readme', [...[packed.tarball, FAKE_CLOCK, 'zod', 'nats@2.29.3'], ...OPENTELEMETRY])
  const [bridgePort, pagePort] = [await freePort(), await freePort()]
  pageUrl = `http://127.0.0.1:${pagePort}`
  // Replaces ports, which must be unique on one machine, and the parts that the README leaves to the application.
  const adapt = (code: string) =>
    code
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${bridgePort}`)
      .replaceAll('port: 8080', `port: ${bridgePort}`)
      .replaceAll('nats://127.0.0.1:4222', nats.url)
      .replaceAll('https://app.example.com', pageUrl)
      .replace(/declare function sessionOf.*/, "const sessionOf = async (_: Request) => ({ user: 'ada' })")
  for (const [name, code] of await readGuide()) await writeFile(join(project.folder, name), adapt(code))
  await start('bridge.ts', `http://127.0.0.1:${bridgePort}`, { AUTH_SECRET: SECRET })
  await start('page-server.ts', 'serving', { AUTH_SECRET: SECRET, PAGE_PORT: String(pagePort) })
  await build({
    entryPoints: ['client-page.ts', 'offline-page.ts', 'tabs-page.ts'].map((name) => join(project.folder, name)),
    outdir: join(project.folder, 'built'),
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
  })
}, 120_000)

afterAll(async () => {
  for (const child of children) child.kill()
  await project?.[Symbol.asyncDispose]()
  await nats?.[Symbol.asyncDispose]()
})

it('every block is run by a test', async () => {
  const named = [...(await readGuide()).keys()]
  expect([...RUN_HERE, ...Object.values(RUN_ELSEWHERE).flat()].sort()).toEqual(named.sort())
  for (const [file, names] of Object.entries(RUN_ELSEWHERE)) {
    const text = await readFile(join(import.meta.dirname, file), 'utf8')
    for (const name of names) expect(text, file).toContain(name)
  }
  const pages = await Promise.all(GUIDE.map((page) => readFile(join(root, page), 'utf8')))
  expect([...pages.join('\n').matchAll(/^```(\w+)$/gm)].length, 'blocks, all of which have a name').toBe(named.length)
})

it('streams, presence, requests, edge functions, tokens', async () => {
  const output = await start('run.ts', 'token 3', { AUTH_SECRET: SECRET, NATS_URL: nats.url })
  // The bridge that knows the contract logs refused events.
  const printed = output().replaceAll(/^spanwire: .* event-refused: .*\n/gm, '')
  expect(printed).toMatch(
    /deploy\nwatch\n1 12 (true|false)\n1 \S+\nproject\nMap\(1\) \{ '2' => 'second' \}\nenter\nada typing\ncreated\nada \{ color: 'red' \}\ncents 1250\nchecked permission-denied invalid-data\nrate 1.5\n/,
  )
  expect(printed).not.toMatch(/error/i)
}, 30_000)

it('a queue of work, on the stream that was published to', async () => {
  const output = await start('work.ts', 'invoice 42 12', {})
  children.at(-1)?.kill('SIGTERM')
  await once(children.at(-1) as ChildProcess, 'exit')
  expect(output()).toBe('invoice 42 12\n')
})

it('a queue of work with partitions, which nats-server before 2.11 does not have', async () => {
  const isOld = Number(nats.version.split('.')[1]) < 11
  await start('partitions.ts', isOld ? 'Partitions require nats-server 2.11' : 'booked 42 12', {})
  children.at(-1)?.kill('SIGTERM')
})

it('time, tombstones and batches', async ({ skip }) => {
  skip(Number(nats.version.split('.')[1]) < 14, 'needs nats-server 2.14')
  expect(await project.run(process.execPath, 'reminders.ts')).toBe('true 900\ninvoice-17 Pay\n')
})

it('a service, which tools of NATS find', async () => {
  await start('service.ts', 'serving quotes 1', {})
  const connection = await connectNats({ servers: nats.url })
  try {
    const answer = await connection.request('quotes.ABC.get', '{}')
    expect(answer.json()).toEqual({ price: 12 })
    const found: string[] = []
    for await (const { name, version } of await connection.services.client().ping()) found.push(`${name} ${version}`)
    expect(found).toEqual(['quotes 1.0.0'])
  } finally {
    children.at(-1)?.kill('SIGTERM')
    await connection.close()
  }
})

it('the contract as a document', async () => {
  await project.run(process.execPath, 'docs.ts')
  const document = JSON.parse(await readFile(join(project.folder, 'asyncapi.json'), 'utf8'))
  expect(Object.keys(document.channels)).toEqual(['orders.orderId.created', 'chat.room.message'])
})

it('a log of the connection', async () => {
  const output = await project.run(process.execPath, 'logged.ts')
  expect(output).toMatch(/^error \S+ .*Authorization Violation/m)
})

it('traces, with the oldest OpenTelemetry', async () => {
  const output = await project.run(process.execPath, 'traced.ts')
  const spans = JSON.parse(output.trim().split('\n').at(-1) ?? '') as Array<Record<'name' | 'trace', string>>
  expect(spans.map(({ name }) => name).sort()).toEqual([
    'click',
    'process orders.{orderId}.created',
    'publish chat.{room}.message',
    'publish orders.{orderId}.created',
  ])
  expect(new Set(spans.map(({ trace }) => trace)).size).toBe(1)
}, 30_000)

it('an application’s own test', async () => {
  const output = await project.run(process.execPath, '--test', 'resume.test.ts')
  expect(output).toMatch(/pass 1/)
}, 30_000)

describe.skipIf(isSkipped('chromium'))('in a page', () => {
  it('the client with tokens of the application, the outbox, and a shared connection', async () => {
    const browser = await launchChromium()
    const service = await connectNats({ servers: nats.url })
    try {
      const page = await (await browser.newContext()).newPage()
      const said: string[] = []
      page.on('console', (message) => said.push(message.text()))
      page.on('pageerror', (error) => said.push(String(error)))
      const chat: string[] = []
      service.subscribe('chat.lobby.message', { callback: (_, message) => chat.push(message.string()) })
      await service.flush()
      await page.goto(`${pageUrl}/client-page.html`)
      await eventually(() => chat.length === 1, { what: `the page’s hello. Console: ${said}` })
      expect(JSON.parse(chat[0] ?? '')).toEqual({ text: 'hello' })
      // The page subscribes to the chat after its own hello.
      await eventually(async () => {
        service.publish('orders.7.created', JSON.stringify({ total: 12 }))
        service.publish('chat.lobby.message', JSON.stringify({ text: 'bye' }))
        await service.flush()
        return said.includes('client is done')
      })
      expect(said[0]).toBe('7 12')
      expect(said.filter((text) => text !== '7 12')).toEqual(['client is done'])

      await page.goto(`${pageUrl}/offline-page.html`)
      await eventually(() => said.some((text) => /^stored \d+$/.test(text)), {
        what: `an acknowledgement. Console: ${said}`,
      })

      await page.goto(`${pageUrl}/tabs-page.html`)
      await eventually(() => said.includes('the tabs are open'), { what: `two tabs. Console: ${said}` })
    } finally {
      await browser.close()
      await service.close()
    }
  }, 60_000)
})
