/** Every block of code in the guides of relays, run unchanged on a real broker and in Chromium. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../demo/setup/free-port.ts'
import { startBroker } from '../relays/brokers.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { readExamples } from '../support/readme.ts'
import { isSkipped } from '../support/runtimes.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { packPackage } from './package.ts'
import { createProject, type Project, type ProjectFolder } from './project.ts'

const BLOCKS = ['events.ts', 'deploy.ts', 'relays.ts', 'relay.ts', 'produce.ts', 'bridge.ts', 'page.ts']

const CLIENTS = { kafka: '@platformatic/kafka@2.12.1', rabbitmq: 'amqplib@2.3.1' }
const MINUTES = 60_000

/** One project for all guides: each has a folder of it. */
let project: Project
let browser: Browser | undefined
const rest = new AsyncDisposableStack()

beforeAll(async () => {
  const packed = await packPackage()
  project = rest.use(await createProject(undefined, [packed.tarball, 'zod', 'nats@2.29.3']))
}, 3 * MINUTES)
afterAll(() => rest.disposeAsync())

it.each([
  { kind: 'kafka', code: "kafka({ brokers: '127.0.0.1:1' }).topic('a')", install: '@platformatic/kafka' },
  { kind: 'rabbitmq', code: "rabbitmq({ url: 'amqp://127.0.0.1:1' }).queue('a')", install: 'amqplib' },
])('names the missing client of $kind', async ({ kind, code, install }) => {
  const lines = [
    `import { ${kind} } from 'spanwire/relay/${kind}'`,
    `const place = ${code}`,
    'const options = { relay: "a", window: 1, windowBytes: 1, warn() {}, handler: {} }',
    'for (const open of [() => place.openSink(), () => place.openSource(options)])',
    '  await open().catch(({ code, message, cause }) => console.log(code, message, cause.code))',
  ]
  const script = join(project.folder, `missing-${kind}.mjs`)
  await writeFile(script, lines.join('\n'))
  const line = new RegExp(`^unsupported .*run "npm install ${install}".* ERR_MODULE_NOT_FOUND$`)
  const printed = (await project.run(process.execPath, script)).trim().split('\n')
  expect(printed).toEqual([expect.stringMatching(line), expect.stringMatching(line)])
})

describe('guides', () => {
  beforeAll(async () => {
    const clients = Object.entries(CLIENTS).filter(([kind]) => !isSkipped(kind as keyof typeof CLIENTS))
    if (clients.length > 0) await project.install(...clients.map(([, client]) => client))
    if (!isSkipped('chromium')) browser = rest.adopt(await launchChromium(), (one) => one.close())
  }, 3 * MINUTES)

  it.for([
    { kind: 'kafka', guide: 'KAFKA.md', address: '127.0.0.1:9092' },
    { kind: 'rabbitmq', guide: 'RABBITMQ.md', address: '127.0.0.1:5672' },
    { kind: 'activemq', guide: 'ACTIVEMQ.md', address: '127.0.0.1:61613' },
  ] as const)(
    '$guide leads from a running broker to an event in the browser, and back',
    { timeout: 3 * MINUTES, concurrent: true },
    async ({ kind, guide, address }, { skip }) => {
      if (!browser || isSkipped(kind)) return skip()
      await using rest = new AsyncDisposableStack()
      const [foreign, nats, own] = await Promise.all([
        startBroker(kind),
        startNatsServer({ jetstream: true }),
        project.addFolder(kind),
      ])
      rest.use(foreign)
      rest.use(nats)
      const page = await servePage()
      rest.use(page)
      const [bridgePort, relayPort] = [await freePort(), await freePort()]
      const port = kind === 'activemq' ? foreign.broker.stompPort : Number(foreign.broker.url.split(':').at(-1))
      const examples = await readExamples(`bridge/relay/${guide}`)
      expect([...examples.keys()]).toEqual(BLOCKS)
      for (const [name, code] of examples)
        await writeFile(
          join(own.folder, name),
          code
            .replaceAll(address, `127.0.0.1:${port}`)
            .replaceAll('connect(61613,', `connect(${port},`)
            .replaceAll('nats://127.0.0.1:4222', nats.url)
            .replaceAll('port: 8080', `port: ${bridgePort}`)
            .replaceAll('127.0.0.1:8080', `127.0.0.1:${bridgePort}`)
            .replaceAll('port: 8788', `port: ${relayPort}`)
            .replaceAll('https://app.example.com', page.url),
        )
      const { outputFiles } = await build({
        entryPoints: [join(own.folder, 'page.ts')],
        bundle: true,
        format: 'esm',
        write: false,
      })
      page.script = outputFiles[0]?.text ?? ''
      if (kind === 'rabbitmq') await own.run(process.execPath, 'produce.ts', 'declare')
      else await foreign.prepare('orders', 'payments')
      await own.run(process.execPath, 'deploy.ts')
      const children = await Promise.all([start(own, 'relay.ts', 'healthz'), start(own, 'bridge.ts', 'http://')])
      rest.defer(async () => {
        for (const child of children) child.kill('SIGKILL')
      })
      await eventually(async () => (await fetch(`http://127.0.0.1:${relayPort}/healthz`)).ok, { deadline: 30_000 })
      await own.run(process.execPath, 'produce.ts')
      const context = rest.adopt(await browser.newContext(), (one) => one.close())
      const tab = await context.newPage()
      await tab.goto(page.url)
      await tab.getByText('A-17: 42').waitFor({ timeout: 20_000 })
      const metrics = async () => (await fetch(`http://127.0.0.1:${relayPort}/metrics`)).text()
      await eventually(async () => /relay_relayed_total\{relay="payments"[^}]*\} 1\n/.test(await metrics()), {
        deadline: 20_000,
      })
      const [paid] = await foreign.receiveAll('payments')
      // STOMP frames do not contain the message group.
      const key = kind === 'activemq' ? '' : 'A-17'
      expect(paid).toMatchObject({ key, value: '{"by":"card"}' })
      // A drain ends the process well.
      const [relay] = children
      relay?.kill('SIGTERM')
      if (relay?.exitCode === null) expect((await once(relay, 'exit'))[0]).toBe(0)
    },
  )
})

async function start(folder: ProjectFolder, module: string, ready: string): Promise<ChildProcess> {
  const child = folder.start(process.execPath, [module], { AUTH_SECRET: SECRET })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      output += chunk
    })
  await eventually(() => output.includes(ready), { deadline: 20_000, what: ready }).catch((cause) => {
    child.kill('SIGKILL')
    throw new Error(`${module} wrote:\n${output}`, { cause })
  })
  return child
}

/** A page with a script, and its tokens. */
async function servePage(): Promise<{ script: string; readonly url: string } & AsyncDisposable> {
  const page = { script: '' }
  const server = createServer(async (request, response) => {
    if (request.url === '/token') return response.end(JSON.stringify({ token: await rootToken() }))
    response.setHeader('Content-Type', request.url === '/page.js' ? 'text/javascript' : 'text/html')
    response.end(
      request.url === '/page.js'
        ? page.script
        : '<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="/page.js"></script>',
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(page, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  })
}
