/**
 * Every block of code in the guides for users of Kafka, RabbitMQ and ActiveMQ, and in the README of relays, run unchanged on real
 * brokers and in Chromium.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BrokerKind } from '../../demo/setup/brokers/foreign-broker.ts'
import { freePort } from '../../demo/setup/free-port.ts'
import { root } from '../build/source-files.ts'
import { startBroker, type TestBroker } from '../relays/brokers.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { readExamples } from '../support/readme.ts'
import { isSkipped } from '../support/runtimes.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { addressesOf, type BrokerGuide, compile, copySteps, pathOf, RELAYS, writeBlocks } from './broker-guides.ts'
import { packPackage } from './package.ts'
import { createProject, type Project, type ProjectFolder } from './project.ts'

/** A guide has these blocks of its own for the README of relays. Others are pieces: `<side>/<piece>.ts`. */
const OF_RELAY = ['relays.ts', 'produce.ts']
const GUIDES: readonly BrokerGuide[] = [
  {
    kind: 'kafka',
    page: 'KAFKA.md',
    address: '127.0.0.1:9092',
    client: ['@platformatic/kafka@2.12.1'],
    natsServer: 12,
  },
  { kind: 'rabbitmq', page: 'RABBITMQ.md', address: '127.0.0.1:5672', client: ['amqplib@2.3.1'], natsServer: 12 },
  {
    kind: 'activemq',
    page: 'ACTIVEMQ.md',
    address: '127.0.0.1:61613',
    client: ['@stomp/stompjs@7.5.0', '@stomp/tcp-wrapper@1.0.1'],
    natsServer: 12,
  },
]
const MINUTES = 60_000

/** One project for all guides: each has folders of it. */
let project: Project
let browser: Browser | undefined
const rest = new AsyncDisposableStack()
/** The brokers, which the tests of a guide share. */
const brokers = new Map<BrokerKind, Promise<TestBroker>>()

function brokerOf(kind: BrokerKind): Promise<TestBroker> {
  const started = brokers.get(kind) ?? startBroker(kind).then((broker) => rest.use(broker))
  brokers.set(kind, started)
  return started
}

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
    await project.install(...GUIDES.flatMap(({ client }) => client))
    if (!isSkipped('chromium')) browser = rest.adopt(await launchChromium(), (one) => one.close())
  }, 3 * MINUTES)

  it(
    'compile, with the steps of the pieces',
    async () => {
      const { folder } = await project.addFolder('types')
      for (const guide of GUIDES) {
        const own = await project.addFolder(join('types', guide.kind))
        await writeBlocks(own.folder, [...(await readExamples(RELAYS)), ...(await readExamples(pathOf(guide)))])
        await copySteps(own.folder, guide)
      }
      expect(await compile(folder)).toBe('')
    },
    MINUTES,
  )

  const both = GUIDES.flatMap((guide) => (['pieces', 'relay'] as const).map((part) => ({ guide, part })))
  it.for(both)('$guide.page, $part', { timeout: 3 * MINUTES, concurrent: true }, async ({ guide, part }, { skip }) => {
    if (isSkipped(guide.kind)) return skip()
    if (part === 'pieces') return await runPieces(guide)
    if (!browser) return skip()
    await runRelay(guide, browser)
  })
})

/** Both sides of each piece, with the same steps. */
async function runPieces(guide: BrokerGuide): Promise<void> {
  const { kind, natsServer } = guide
  const [foreign, nats] = await Promise.all([brokerOf(kind), startNatsServer({ jetstream: true })])
  await using _ = nats
  const own = await project.addFolder(`${kind}-pieces`)
  const examples = await readExamples(pathOf(guide))
  const page = await readFile(join(root, pathOf(guide)), 'utf8')
  expect([...page.matchAll(/^```ts$/gm)].length, 'blocks, all of which have a name').toBe(examples.size)
  const blocks = [...examples].filter(([name]) => !OF_RELAY.includes(name))
  await writeBlocks(own.folder, blocks, addressesOf(guide, { foreign, nats }))
  await copySteps(own.folder, guide)
  const steps = own.run(process.execPath, `${kind}.ts`)
  if (Number(nats.version.split('.')[1]) < natsServer)
    return await expect(steps).rejects.toThrow(`requires nats-server 2.${natsServer}`)
  const passed = (await steps).trim().split('\n')
  const names = blocks.map(([name]) => name.replace('.ts', '')).filter((name) => !name.endsWith('/broker'))
  expect(passed.toSorted()).toEqual(names.toSorted())
  // Each piece of the broker has a counterpart.
  const isForeign = (name: string) => name.startsWith(`${kind}/`)
  expect(names.filter(isForeign).length).toBeGreaterThan(7)
  for (const name of names.filter(isForeign)) expect(names).toContain(name.replace(kind, 'spanwire'))
}

/** From a running broker to an event in the browser, and back. */
async function runRelay(guide: BrokerGuide, browser: Browser): Promise<void> {
  const { kind } = guide
  await using rest = new AsyncDisposableStack()
  const [foreign, nats, own] = await Promise.all([
    brokerOf(kind),
    startNatsServer({ jetstream: true }),
    project.addFolder(kind),
  ])
  rest.use(nats)
  const page = await servePage()
  rest.use(page)
  const [bridgePort, relayPort] = [await freePort(), await freePort()]
  const blocks = new Map([...(await readExamples(RELAYS)), ...(await readExamples(pathOf(guide)))])
  const names = [...blocks.keys()].filter((name) => !name.includes('/'))
  expect(names).toEqual(['events.ts', 'deploy.ts', 'relay.ts', 'bridge.ts', 'page.ts', ...OF_RELAY])
  await writeBlocks(
    own.folder,
    names.map((name) => [name, blocks.get(name) ?? '']),
    {
      ...addressesOf(guide, { foreign, nats }),
      'port: 8080': `port: ${bridgePort}`,
      '127.0.0.1:8080': `127.0.0.1:${bridgePort}`,
      'port: 8788': `port: ${relayPort}`,
      'https://app.example.com': page.url,
    },
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
}

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
