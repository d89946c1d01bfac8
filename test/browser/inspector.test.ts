/** The inspector: every view, in Chromium, on two processes with 1,000 clients. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import axe from 'axe-core'
import { connect, type NatsConnection } from 'nats'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { buildInspector } from '../../bridge/inspector/build.ts'
import { cpuOf } from '../bench/process-figures.ts'
import { root } from '../build/source-files.ts'
import { type RunningCli, startCli } from '../cli/cli-process.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { launchChromium } from '../support/chromium.ts'
import { descendants } from '../support/descendants.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { isSkipped } from '../support/runtimes.ts'
import { createToken, SECRET } from '../support/token.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const KEY = 'a-key-to-look-at-it-of-32-characters'
const ADMIN = 'an-administrators-key-of-32-bytes'
const CLIENTS = 1_000
const USERS = 40
const AT_ONCE = 50

describe.skipIf(isSkipped('chromium'))('the inspector', () => {
  let nats: NatsServer
  let bridge: RunningCli
  let url: string
  let browser: Browser
  let peer: NatsConnection
  let announcing: ReturnType<typeof setInterval>
  const clients: WebSocket[] = []
  const raw: RawClient[] = []
  let problems: string[] = []
  /** Called with each message of the subject `load`. */
  let onLoad: (payload: string) => void = () => {}

  beforeAll(async () => {
    ;[nats] = await Promise.all([startNatsServer({ jetstream: true }), buildInspector()])
    const env = { AUTH_SECRET: SECRET, MONITORING_KEY: KEY, ADMIN_KEY: ADMIN, UPSTREAM_URL: nats.url, PORT: '0' }
    const limits = ['--limit', 'connectTimeout=60000']
    bridge = startCli(['bridge', '--json', '--processes', '2', '--inspector', 'on', ...limits], { env })
    ;[{ url }, browser] = await Promise.all([bridge.json<{ url: string }>(), launchChromium()])
    for (let from = 0; from < CLIENTS; from += AT_ONCE)
      await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => addClient(from + index)))
    await seed()
  })
  afterAll(async () => {
    clearInterval(announcing)
    for (const client of clients) client.terminate()
    for (const client of raw) client.close()
    await peer?.close()
    await browser?.close()
    await bridge?.stop()
    await nats?.[Symbol.asyncDispose]()
  })

  async function connectLine(n: number): Promise<string> {
    const all = { allow: ['>'] }
    const token = await createToken({ sub: `user-${n % USERS}`, pub: all, subscribe: all })
    return `CONNECT ${JSON.stringify({ auth_token: token, verbose: false, headers: true, name: `page-${n}` })}\r\n`
  }

  async function addClient(n: number): Promise<void> {
    // Before the dial: a client that opens first would have no listener.
    const connectOperation = await connectLine(n)
    const client = new WebSocket(`${url.replace('http', 'ws')}/nats`, { perMessageDeflate: false })
    clients.push(client)
    await new Promise<void>((resolve, reject) => {
      client.once('error', reject)
      client.once('close', (code, reason) => reject(new Error(`Client ${n} was closed: ${code} ${reason}`)))
      client.once('open', () => client.send(`${connectOperation}SUB load 1\r\nSUB room.${n % 25}.> 2\r\nPING\r\n`))
      client.on('message', (data) => {
        const text = String(data)
        if (text.includes('PING')) client.send('PONG\r\n')
        if (text.includes('PONG')) resolve()
        for (const [, payload = ''] of text.matchAll(/MSG load 1 \d+\r\n(\d+)\r\n/g)) onLoad(payload)
      })
    })
  }

  async function opened(n: number, more = ''): Promise<RawClient> {
    const client = await RawClient.open(`${url.replace('http', 'ws')}/nats`)
    raw.push(client)
    await client.exchange(`${await connectLine(n)}${more}`)
    return client
  }

  /** A stream with a consumer that is behind, a member of a channel, a relay, and a refused client. */
  async function seed(): Promise<void> {
    peer = await connect({ servers: nats.url })
    const manager = await peer.jetstreamManager()
    await manager.streams.add({ name: 'ORDERS', subjects: ['orders.>'] })
    await manager.consumers.add('ORDERS', { durable_name: 'billing', ack_policy: 'explicit' as never })
    for (let n = 0; n < 7; n++) await peer.jetstream().publish(`orders.${n}.created`, '{"total":12}')
    const status = {
      process: 'relay-process-1',
      relays: [
        ...[
          {
            name: 'from-kafka',
            direction: 'in',
            place: 'kafka:orders',
            stream: 'ORDERS',
            state: 'running',
            relayed: 3,
            lag: 4,
            dead: 1,
          },
        ],
      ],
    }
    const announce = () => peer.publish('$EDGE.RELAYS.STATUS', JSON.stringify({ ...status, time: Date.now() }))
    peer.subscribe('$EDGE.RELAYS.PING', { callback: announce })
    announcing = setInterval(announce, 1_000)
    await peer.flush()
    await opened(3, 'SUB $EDGE.PRESENCE.lobby 1\r\nPUB $EDGE.PRESENCE.lobby 13\r\n{"do":"join"}\r\nPING\r\n')
    const refused = await RawClient.open(`${url.replace('http', 'ws')}/nats`)
    refused.send('CONNECT {"auth_token":"nonsense","name":"intruder"}\r\n')
    await eventually(() => refused.ending, { what: 'the refusal' })
  }

  async function open(options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
    problems = []
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })
    const page = await context.newPage()
    page.setDefaultTimeout(15_000)
    page.on('pageerror', (error) => problems.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text())
    })
    await page.goto(`${url}/inspector`)
    return page
  }

  async function signedIn(options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
    const page = await open(options)
    await page.getByLabel('Monitoring key').fill(KEY)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.locator('#status[data-state=open]').waitFor()
    return page
  }

  const view = (page: Page, name: string) => page.getByRole('link', { name, exact: true }).click()
  const row = (page: Page, text: string) => page.locator('tbody tr', { hasText: text }).first()

  it('requires the monitoring key, and keeps it in the tab only', async () => {
    const page = await open()
    await page.getByLabel('Monitoring key').fill('another-key-of-at-least-32-characters')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').getByText('The bridge refuses this key.').waitFor()
    await page.getByLabel('Monitoring key').fill(KEY)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.locator('#status[data-state=open]').waitFor()
    await page.reload()
    await page.locator('#status[data-state=open]').waitFor()
    expect(await page.evaluate(() => JSON.stringify([localStorage, document.cookie]))).not.toContain(KEY)
    expect(await (await fetch(`${url}/inspector`)).text()).not.toContain(KEY)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Monitoring key').waitFor()
    await page.goto(`${url}/inspector#key=${KEY}`)
    await page.locator('#status[data-state=open]').waitFor()
    expect(page.url()).toBe(`${url}/inspector`)
    await page.context().close()
  })

  it('adds up the hubs of two processes, with rates', async () => {
    const page = await signedIn()
    await page.locator('.tiles', { hasText: 'Connections1,001' }).waitFor()
    await row(page, 'hub-1').waitFor()
    await row(page, 'hub-2').waitFor()
    expect(await page.locator('.chart canvas').count()).toBe(3)
    expect(problems).toEqual([])
    await page.context().close()
  })

  it('finds a connection, opens it, and disconnects it by the admin key', async () => {
    const victim = await opened(1, 'SUB only.here 1\r\n')
    const page = await signedIn()
    await view(page, 'Connections')
    await page.getByText('oldest of 1,002').waitFor()
    await page.getByLabel('User, client or address').fill('user-1')
    await page.getByText('that match').waitFor()
    await page.getByLabel('User, client or address').fill('page-1')
    const [, id = ''] = /"server_id":"([^"]+)"/.exec(JSON.stringify(victim.infos[0])) ?? []
    const connection = `${id}.${victim.infos[0]?.client_id}`
    await page.getByLabel('User, client or address').fill(connection)
    await page.getByText('1 that match').waitFor()
    await page.getByRole('button', { name: 'user-1' }).click()
    await page.getByText('only.here').waitFor()
    await page.getByRole('button', { name: 'Disconnect' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Admin key').fill('a-wrong-key-of-at-least-32-characters')
    await dialog.getByRole('button', { name: 'Disconnect' }).click()
    await dialog.getByText('The bridge refuses this admin key.').waitFor()
    await dialog.getByLabel('Admin key').fill(ADMIN)
    await dialog.getByRole('button', { name: 'Disconnect' }).click()
    await eventually(() => victim.ending, { what: 'the end of the connection' })
    expect(victim.ending?.reason).toBe('User Authentication Revoked')
    await page.getByText('0 that match').waitFor()
    await page.context().close()
  })

  it('lists subjects, streams with lag, members, relays, and refused and closed clients', async () => {
    const page = await signedIn()
    await view(page, 'Subjects')
    await row(page, 'load').getByText('1,000').waitFor()
    await page.getByLabel('Part of a subject').fill('room.7.')
    await row(page, 'load').waitFor({ state: 'detached' })
    await row(page, 'room.7.>').getByText('40', { exact: true }).waitFor()

    await view(page, 'Streams')
    await row(page, 'orders.>').waitFor()
    await page.locator('tbody tr', { hasText: 'billing' }).getByText('7', { exact: true }).first().waitFor()

    await view(page, 'Presence')
    await row(page, 'lobby').getByText('user-3').waitFor()
    await view(page, 'Relays')
    await row(page, 'from-kafka').getByText('kafka:orders → ORDERS').waitFor()

    await view(page, 'Events')
    await row(page, 'The token is not valid.').getByText('intruder').waitFor()
    await page.getByText('Refused: authentication-failed').first().waitFor()
    await page.getByLabel('Show').selectOption('Closed clients')
    await row(page, 'User Authentication Revoked').getByText('user-1').waitFor()
    expect(await page.locator('tbody tr', { hasText: 'refused' }).count()).toBe(0)
    expect(problems).toEqual([])
    await page.context().close()
  })

  it('follows messages live, and opens one with headers, latency and trace', async () => {
    const page = await signedIn()
    await view(page, 'Live tail')
    await page.getByLabel('Subject filter').fill('tail.>')
    await page.getByRole('button', { name: 'Follow' }).click()
    const { headers } = await import('nats')
    const fields = headers()
    fields.set('Spanwire-Time', String(Date.now() - 25))
    fields.set('traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')
    const message = page.locator('.tail li', { hasText: 'tail.x' }).first()
    // The subscription begins with the first query of the page.
    await eventually(async () => {
      peer.publish('tail.x', JSON.stringify({ hello: '<b>you</b>', big: 'x'.repeat(5_000) }), { headers: fields })
      return (await message.count()) > 0
    })
    await message.locator('summary').click()
    await message.getByText('0af7651916cd43dd8448eb211c80319c', { exact: true }).waitFor()
    await message.getByText(/ms, by the clocks/).waitFor()
    await message.getByText('cut off after 4,096 bytes').waitFor()
    expect(await page.locator('.tail b').count()).toBe(0)

    // The subscription ends with the view.
    await view(page, 'Overview')
    const interest = async () => (await (await fetch(`${nats.monitorUrl}/subsz?subs=1`)).text()).includes('tail.>')
    await eventually(async () => !(await interest()), { what: 'the end of the subscription', deadline: 30_000 })
    expect(problems).toEqual([])
    await page.context().close()
  })

  it('sends no request to another origin, and refuses frames and injected scripts', async () => {
    const page = await open()
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    await page.getByLabel('Monitoring key').fill(KEY)
    await page.keyboard.press('Enter')
    await page.locator('#status[data-state=open]').waitFor()
    expect(asked.length).toBeGreaterThan(2)
    expect(asked.filter((one) => !one.startsWith(url) && !one.startsWith('data:'))).toEqual([])
    const policy = (await fetch(`${url}/inspector`)).headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
    expect(policy).not.toMatch(/unsafe|\*/)
    const ran = await page.evaluate(() => {
      const script = document.createElement('script')
      script.textContent = 'globalThis.injected = true'
      document.body.append(script)
      return 'injected' in globalThis
    })
    expect(ran).toBe(false)
    await page.context().close()
  })

  it('can be used by keyboard alone', async () => {
    const page = await open()
    await page.keyboard.type(KEY)
    await page.keyboard.press('Enter')
    await page.locator('#status[data-state=open]').waitFor()
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '')
    const tabTo = async (name: string) => {
      for (let n = 0; n < 40 && (await focused()) !== name; n++) await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
    }
    await tabTo('Connections')
    await page.getByText('oldest of').waitFor()
    // Clients connect at once, so any of them can be the oldest.
    const first = await page.locator('[data-connection]').first().textContent()
    await tabTo(first ?? '')
    await page.locator('.details').getByText('Last active').waitFor()
    await tabTo('Close')
    await page.locator('.details').waitFor({ state: 'hidden' })
    expect(await focused()).toBe(first)
    await page.context().close()
  })

  it.each([
    ['light', 1440, 900],
    ['dark', 360, 780],
  ] as const)('has nothing that axe-core finds, and nothing cut off: %s, %i px', async (colorScheme, width, height) => {
    const page = await open({ colorScheme, viewport: { width, height } })
    await mkdir(join(root, 'test/screenshots'), { recursive: true })
    const check = async (name: string) => {
      await page.evaluate(axe.source)
      const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run())
      expect(violations.map(({ id, nodes }) => [name, id, ...nodes.slice(0, 3).map(({ html }) => html)])).toEqual([])
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      )
      expect([name, wide]).toEqual([name, 0])
      await page.screenshot({ path: join(root, `test/screenshots/inspector-${colorScheme}-${width}-${name}.png`) })
    }
    await check('sign-in')
    await page.getByLabel('Monitoring key').fill(KEY)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await row(page, 'hub-2').waitFor()
    await check('overview')
    await view(page, 'Connections')
    await page.getByLabel('User, client or address').fill('user-17')
    await page.getByText('25 that match').waitFor()
    await page.getByRole('button', { name: 'user-17' }).first().click()
    await page.locator('.details').getByText('Last active').waitFor()
    await check('connections')
    for (const [name, text] of [
      ['Subjects', 'load'],
      ['Streams', 'billing'],
      ['Presence', 'lobby'],
      ['Relays', 'from-kafka'],
      ['Events', 'refused'],
    ] as const) {
      await view(page, name)
      await page.locator('tbody tr', { hasText: text }).first().waitFor()
      await check(name.toLowerCase())
    }
    await view(page, 'Live tail')
    await page.getByLabel('Subject filter').fill('orders.>')
    await page.getByRole('button', { name: 'Follow' }).click()
    const message = page.locator('.tail li').first()
    await eventually(async () => {
      peer.publish('orders.9.created', '{"total":12,"currency":"EUR"}')
      return (await message.count()) > 0
    })
    await message.locator('summary').click()
    await page.getByLabel('Payload').first().waitFor()
    await check('tail')
    expect(problems).toEqual([])
    await page.context().close()
  })

  it('costs no deliveries', async () => {
    const pids = [bridge.child.pid ?? 0, ...(await descendants(bridge.child.pid ?? 0))]
    const publisher = await opened(0)
    const MESSAGES = 20
    /** Publishes to all clients, and measures how long each delivery takes, and the CPU time of the bridge. */
    const measure = async (messages = MESSAGES) => {
      const sent: number[] = []
      const latencies: number[] = []
      onLoad = (n) => latencies.push(performance.now() - (sent[Number(n)] ?? Number.NaN))
      const before = cpuOf(pids)
      for (let n = 0; n < messages; n++) {
        sent[n] = performance.now()
        publisher.send(`PUB load ${String(n).length}\r\n${n}\r\n`)
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      await eventually(() => latencies.length >= messages * CLIENTS, { what: 'all deliveries' })
      const sorted = latencies.toSorted((a, b) => a - b)
      const at = (part: number) => `${(sorted[Math.floor(sorted.length * part)] ?? 0).toFixed(1)} ms`
      const cpu = (cpuOf(pids) - before) / 1_000
      return {
        count: latencies.length,
        text: `p50 ${at(0.5)}, p99 ${at(0.99)}, CPU of the bridge ${cpu.toFixed(0)} ms`,
      }
    }
    await measure(5)
    const without = await measure()
    const page = await signedIn()
    await view(page, 'Connections')
    await page.getByText('oldest of').waitFor()
    const looking = await measure()
    await view(page, 'Live tail')
    await page.getByRole('button', { name: 'Follow' }).click()
    await page.getByText(/Following >/).waitFor()
    const tailing = await measure()
    await page.context().close()
    console.log(
      `${MESSAGES} messages to ${CLIENTS} clients: ${without.text}; connections shown: ${looking.text}; tail: ${tailing.text}`,
    )
    for (const { count } of [without, looking, tailing]) expect(count).toBe(MESSAGES * CLIENTS)
  })
})
