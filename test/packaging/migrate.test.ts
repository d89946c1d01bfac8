/**
 * The pages of sdk/migrate about other clients: both sides of each compile with the oldest TypeScript and the types of the named versions. The
 * "after" runs against one bridge, and the "before" of Socket.IO and nats.ws against their servers. The services of Pusher,
 * Ably and Supabase are not available here.
 */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freePort } from '../../demo/setup/free-port.ts'
import { root } from '../build/source-files.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { readExamples } from '../support/readme.ts'
import { SECRET } from '../support/token.ts'
import { type Package, packPackage } from './package.ts'
import { createProject, type Project } from './project.ts'
import { Shell } from './shell.ts'

/** The oldest TypeScript that README.md names. */
const TYPESCRIPT = '5.7.3'

const CLIENTS = [
  ...['socket.io@4.8.4', 'socket.io-client@4.8.4', 'pusher-js@8.6.0', 'ably@2.28.0', '@supabase/supabase-js@2.119.1'],
  ...['nats.ws@1.30.3', 'nats@2.29.3'],
]

/** Guides for users of brokers, which relay-guides.test.ts runs. */
const OTHER_PAGES = ['README.md', 'KAFKA.md', 'RABBITMQ.md', 'ACTIVEMQ.md']

/** Modules that run, with features that show more lines: members, and earlier messages for a user that comes later. */
const RUN = [
  'socket-io-before',
  'socket-io-after',
  'pusher-after+presence',
  'ably-after+presence+history',
  'supabase-after+presence',
  'nats-ws-before+history',
  'nats-ws-after+history',
]

let packed: Package
let nats: NatsServer
let project: Project
let servers: Shell
let pages: string[]
const env = { AUTH_SECRET: SECRET }

beforeAll(async () => {
  packed = await packPackage()
  nats = await startNatsServer({ jetstream: true })
  const packages = [packed.tarball, 'zod', `typescript@${TYPESCRIPT}`, '@types/node@22', ...CLIENTS]
  project = await createProject('migrate', packages)
  servers = new Shell(project.folder)
  const [bridgePort, socketPort] = [await freePort(), await freePort()]
  const adapt = (code: string) =>
    code
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${bridgePort}`)
      .replaceAll('127.0.0.1:3000', `127.0.0.1:${socketPort}`)
      .replaceAll('new Server(3000', `new Server(${socketPort}`)
      .replaceAll('ws://127.0.0.1:9222', nats.wsUrl)
  pages = (await readdir(join(root, 'sdk/migrate'))).filter((name) => !OTHER_PAGES.includes(name)).sort()
  for (const page of ['README.md', ...pages])
    for (const [name, code] of await readExamples(`sdk/migrate/${page}`))
      await writeFile(join(project.folder, name), adapt(code))
  const shell = new Shell(project.folder)
  await shell.run(`npx spanwire streams apply chat.ts --url ${nats.url}`)
  const bridge = servers.start(`npx spanwire bridge --port ${bridgePort} --upstream ${nats.url}`, env)
  await bridge.written(/listening/)
  servers.start(`${process.execPath} socket-io-server.ts`)
}, 120_000)

afterAll(async () => {
  await servers?.[Symbol.asyncDispose]()
  await project?.[Symbol.asyncDispose]()
  await nats?.[Symbol.asyncDispose]()
})

it('each page has a side before and a side after, and names the version of the client', async () => {
  expect(pages).toEqual(['ABLY.md', 'NATS-WS.md', 'PUSHER.md', 'SOCKET-IO.md', 'SUPABASE.md'])
  for (const page of pages) {
    const stem = page.toLowerCase().replace('.md', '')
    const names = [...(await readExamples(`sdk/migrate/${page}`)).keys()]
    expect(names, page).toEqual(expect.arrayContaining([`${stem}-before.ts`, `${stem}-after.ts`]))
  }
})

it(`compiles with TypeScript ${TYPESCRIPT}`, async () => {
  // A page has a bundler. The types of pusher-js have no default import for ES modules of Node.
  const modules = { module: 'ESNext', moduleResolution: 'Bundler', allowImportingTsExtensions: true }
  const options = { ...modules, target: 'ES2022', lib: ['ES2022', 'ESNext.Disposable', 'DOM'], strict: true }
  const lenient = { noEmit: true, skipLibCheck: true }
  const config = {
    compilerOptions: { ...options, ...lenient },
    include: ['*-before.ts', '*-after.ts', '*-server.ts', 'chat-token.ts'],
  }
  await writeFile(join(project.folder, 'tsconfig.json'), JSON.stringify(config))
  expect(await project.run(process.execPath, 'node_modules/typescript/bin/tsc', '--version')).toContain(TYPESCRIPT)
  expect(await project.run(process.execPath, 'node_modules/typescript/bin/tsc', '-p', '.')).toBe('')
}, 60_000)

it('two users talk by each of them', async () => {
  const shell = new Shell(project.folder)
  const output = await shell.run(`${process.execPath} run.ts ${RUN.join(' ')}`, env)
  const results = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line)) as Array<{
    module: string
    seen: Record<string, string[]>
  }>
  expect(results.map(({ module }) => module)).toEqual(RUN.map((one) => one.split('+')[0]))
  for (const [index, { module, seen }] of results.entries()) {
    const isHistory = RUN[index]?.includes('history')
    expect(Object.keys(seen), module).toEqual(isHistory ? ['ada', 'bob', 'eve'] : ['ada', 'bob'])
    for (const lines of Object.values(seen))
      expect(
        lines.filter((line) => line.includes(':')),
        module,
      ).toEqual(['ada: hello', 'bob: good day'])
  }
}, 60_000)
