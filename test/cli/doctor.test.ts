/** Each thing that can stand between a client and its events, made on purpose. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { webSocket } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { createCertificate } from '../support/certificate.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { startNginx } from '../support/nginx.ts'
import { isSkipped } from '../support/runtimes.ts'
import { serveLocally } from '../support/serve-locally.ts'
import { createToken, rootToken, SECRET } from '../support/token.ts'
import { runCli } from './cli-process.ts'
import { events } from './projects/events.ts'

// Each command is a process, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const CONTRACT = 'test/cli/projects/events.ts'

interface Finding {
  readonly check: string
  readonly verdict: 'ok' | 'warn' | 'fail' | 'skip'
  readonly fact: string
  readonly advice?: string
}

let bridge: BridgeServer
let token: string

beforeAll(async () => {
  bridge = await serve({ upstream: 'embedded', auth: { secret: SECRET }, origins: ['https://app.example'] })
  token = await rootToken()
})
afterAll(() => bridge?.close())

async function doctor(...args: string[]): Promise<{ readonly code: number | null; readonly findings: Finding[] }> {
  return doctorWith({}, ...args)
}

async function doctorWith(env: Record<string, string>, ...args: string[]) {
  const { code, stdout, stderr } = await runCli(['doctor', ...args, '--json'], { env })
  if (!stdout.startsWith('[')) throw new Error(stderr)
  return { code, findings: JSON.parse(stdout) as Finding[] }
}

/** The one that failed, or was warned about, under a name. */
const find = (findings: readonly Finding[], check: string) => findings.find((one) => one.check === check)

describe('spanwire doctor', () => {
  it('finds no fault in a healthy bridge, and prints each fact on one line', async () => {
    const { code, stdout, stderr } = await runCli([
      'doctor',
      bridge.url,
      '--token',
      token,
      '--origin',
      'https://app.example',
    ])
    expect(stderr).toBe('No faults.\n')
    for (const line of [
      /^ok {4}reachable {5}http:\/\/127\.0\.0\.1:\d+ answers in \d+ ms$/m,
      /^ok {4}path {10}a bridge is at /m,
      /^ok {4}NATS {10}the bridge is connected$/m,
      /^ok {4}WebSocket {5}the upgrade works/m,
      /^ok {4}SSE fallback {2}events come at once/m,
      /^ok {4}origin {8}pages of https:\/\/app\.example may connect$/m,
      /^ok {4}token {9}for "tester", ends in 59 min/m,
      /^ok {4}permission {4}may publish >; may subscribe to >$/m,
      /^ok {4}credentials {3}the token is accepted$/m,
      /^ok {4}JetStream {5}it is turned on$/m,
      /^- {5}streams {7}no contract was named\n {20}Give --contract/m,
    ])
      expect(stdout).toMatch(line)
    expect(code).toBe(0)
  })

  it('a port where nothing listens', async () => {
    const { code, findings } = await doctor('http://127.0.0.1:9')
    expect(findings).toEqual([
      {
        check: 'reachable',
        verdict: 'fail',
        fact: 'http://127.0.0.1:9: nothing listens on that port (ECONNREFUSED)',
        advice: expect.stringContaining('--host 0.0.0.0'),
      },
    ])
    expect(code).toBe(1)
  })

  it('a wrong path, below the bridge and at another server', async () => {
    const below = await doctor(`${bridge.url}/nats`)
    expect(find(below.findings, 'path')).toMatchObject({
      verdict: 'fail',
      fact: `no bridge is at ${bridge.url}/nats; one is at ${bridge.url}/`,
      advice: `Use ${bridge.url}/: the SDK appends /nats by itself.`,
    })
    await using other = await serveLocally((_, response) =>
      response.setHeader('Content-Type', 'text/html').end('<!doctype html>hi'),
    )
    const { findings, code } = await doctor(`${other.url}/app`)
    expect(find(findings, 'path')?.fact).toBe(`no bridge is at ${other.url}/app: /healthz there is a web page`)
    expect(code).toBe(1)
  })

  it('a certificate that is not trusted, and a port without TLS', async () => {
    await using certificate = await createCertificate()
    const key = await readFile(certificate.keyFile)
    const server = createServer({ cert: certificate.cert, key }, (_, response) => response.end())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const untrusted = await doctor(`https://localhost:${port}`)
    expect(untrusted.findings[0]).toMatchObject({
      check: 'TLS',
      verdict: 'fail',
      fact: expect.stringContaining('not by an authority'),
    })
    server.close()
    const plain = await doctor(bridge.url.replace('http:', 'https:'))
    expect(plain.findings[0]).toMatchObject({
      check: 'TLS',
      verdict: 'fail',
      fact: expect.stringContaining('does not speak TLS'),
    })
  })

  it('a refused origin', async () => {
    const { findings, code } = await doctor(bridge.url, '--token', token, '--origin', 'https://other.example')
    expect(find(findings, 'origin')).toEqual({
      check: 'origin',
      verdict: 'fail',
      fact: 'pages of https://other.example are refused',
      advice: `Add https://other.example to the bridge's origins: ORIGINS, --origins or the option "origins".`,
    })
    expect(code).toBe(1)
  })

  it('no token, and a token with a wrong secret', async () => {
    const none = await doctor(bridge.url)
    expect(find(none.findings, 'credentials')).toMatchObject({
      verdict: 'fail',
      fact: 'the bridge requires a token, and none was given',
    })
    const other = 'another secret of at least thirty-two bytes'
    const signed = await runCli(['token', 'sign', '--user', 'ada', '--subscribe', '>'], { env: { AUTH_SECRET: other } })
    const wrong = await doctor(bridge.url, '--token', signed.stdout.trim())
    expect(find(wrong.findings, 'credentials')).toMatchObject({
      verdict: 'fail',
      fact: 'the token is refused: its signature, issuer or audience does not match the bridge',
      advice: expect.stringContaining('Compare AUTH_SECRET'),
    })
    // With the bridge's own secret, the cause is more precise.
    const known = await doctorWith({ AUTH_SECRET: SECRET }, bridge.url, '--token', signed.stdout.trim())
    expect(find(known.findings, 'credentials')?.fact).toContain(
      'signed with another secret than AUTH_SECRET of this machine',
    )
    expect(known.code).toBe(1)
  })

  it('an expired token, and text that is not a token', async () => {
    const { findings, code } = await doctor(bridge.url, '--token', await createToken({ expiresIn: -7_200 }))
    expect(find(findings, 'token')).toMatchObject({
      verdict: 'fail',
      fact: expect.stringMatching(/^it expired 2 h ago, at /),
      advice: expect.stringContaining('Give the SDK a function as token'),
    })
    expect(code).toBe(1)
    expect(find((await doctor(bridge.url, '--token', 'nonsense')).findings, 'token')?.fact).toContain(
      'That is not a JWT',
    )
  })

  it('a missing permission', async () => {
    const narrow = await createToken({
      pub: { allow: ['chat.lobby.*'] },
      subscribe: { allow: ['chat.>'], deny: ['chat.secret.>'] },
    })
    const args = [
      bridge.url,
      '--token',
      narrow,
      '--subscribe',
      'chat.{room}.message',
      '--publish',
      'chat.{room}.message',
      '--publish',
      'chat.lobby.message',
    ]
    const { findings, code } = await doctor(...args)
    expect(findings.filter(({ check }) => check === 'permission')).toEqual([
      {
        check: 'permission',
        verdict: 'fail',
        fact: 'may not publish chat.{room}.message (chat.*.message)',
        advice: "Sign the token with publish: ['chat.{room}.message']. It allows chat.lobby.*.",
      },
      { check: 'permission', verdict: 'ok', fact: 'may publish chat.lobby.message' },
      { check: 'permission', verdict: 'ok', fact: 'may subscribe to chat.{room}.message' },
    ])
    expect(code).toBe(1)
  })

  it('a stream that is not made, one that differs, and one that a page may only read', async () => {
    await using own = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
    const page = await createToken({ subscribe: { allow: ['shop.>'] } })
    const check = (given: string) => doctor(own.url, '--token', given, '--contract', CONTRACT)
    const missing = {
      verdict: 'fail',
      fact: 'CLI_SHOP is not made: events for it are refused',
      advice: expect.stringContaining('streams apply'),
    }
    expect(find((await check(token)).findings, 'stream')).toMatchObject(missing)
    expect(find((await check(page)).findings, 'stream')).toMatchObject({
      verdict: 'fail',
      fact: expect.stringMatching(/^CLI_SHOP is not made/),
    })

    const transport = webSocket({ url: own.url, token })
    await ensureStreams({ 'shop.one.paid': events['shop.{id}.paid'] }, transport)
    expect(find((await check(token)).findings, 'stream')).toMatchObject({
      verdict: 'fail',
      fact: 'CLI_SHOP differs: subjects is ["shop.one.paid"], declared ["shop.*.paid"]',
    })
    await ensureStreams(events, transport)
    await transport.close()
    expect(find((await check(token)).findings, 'stream')).toMatchObject({
      verdict: 'ok',
      fact: 'CLI_SHOP is as declared',
    })
    expect(find((await check(page)).findings, 'stream')).toMatchObject({ verdict: 'ok' })
  })

  it('NATS that is down, and JetStream that is off', async () => {
    await using nats = await startNatsServer()
    await using own = await serve({ upstream: nats.url, auth: { secret: SECRET } })
    await own.bridge.hub.opened
    const off = await doctor(own.url, '--token', token, '--contract', CONTRACT)
    expect(find(off.findings, 'JetStream')).toMatchObject({ verdict: 'fail', advice: expect.stringContaining('-js') })
    await nats.stop()
    await eventually(async () => (await fetch(`${own.url}/healthz`)).status === 503)
    const { findings, code } = await doctor(own.url, '--token', token)
    expect(find(findings, 'NATS')).toMatchObject({
      verdict: 'fail',
      fact: 'the bridge is not connected to NATS (reconnecting)',
      advice: expect.stringContaining('UPSTREAM_URL'),
    })
    expect(code).toBe(1)
  })

  it('a clock that is wrong', async () => {
    await using other = await serveLocally((_, response) =>
      response
        .setHeader('Date', new Date(Date.now() - 3_600_000).toUTCString())
        .end(JSON.stringify({ status: 'ok', upstream: 'open', broker: 'x' })),
    )
    const { findings } = await doctor(other.url)
    expect(find(findings, 'clock')).toMatchObject({
      verdict: 'warn',
      fact: expect.stringMatching(/^the server's clock is 3[56]\d\d s behind/),
    })
  })

  describe.skipIf(isSkipped('nginx'))('behind nginx', () => {
    let nginx: Awaited<ReturnType<typeof startNginx>>
    beforeAll(async () => {
      nginx = await startNginx(`
        location /good/ {
          proxy_pass ${bridge.url}/;
          proxy_http_version 1.1;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection "upgrade";
        }
        location /strips/ { proxy_pass ${bridge.url}/; }
        location /buffers/ { proxy_pass ${bridge.url}/; proxy_ignore_headers X-Accel-Buffering; }`)
    })
    afterAll(() => nginx?.[Symbol.asyncDispose]())

    it('a proxy that passes everything on', async () => {
      const { findings, code } = await doctor(`${nginx.url}/good`, '--token', token)
      expect(findings.filter(({ verdict }) => verdict === 'fail' || verdict === 'warn')).toEqual([])
      expect(code).toBe(0)
    })

    it('a proxy that strips Upgrade: the rest is checked by Server-Sent Events', async () => {
      const { findings, code } = await doctor(`${nginx.url}/strips`, '--token', token)
      expect(find(findings, 'WebSocket')).toMatchObject({
        verdict: 'fail',
        fact: expect.stringContaining('without the header Upgrade: a proxy in between strips it'),
        advice: expect.stringContaining('proxy_set_header Upgrade $http_upgrade'),
      })
      expect(find(findings, 'SSE fallback')?.verdict).toBe('ok')
      expect(find(findings, 'credentials')?.verdict).toBe('ok')
      expect(code).toBe(1)
    })

    it('a proxy that buffers', async () => {
      const { findings, code } = await doctor(`${nginx.url}/buffers`, '--token', token)
      expect(find(findings, 'SSE fallback')).toMatchObject({
        verdict: 'fail',
        fact: 'the answer is held back: a proxy in between buffers it',
        advice: expect.stringContaining('proxy_buffering off'),
      })
      expect(code).toBe(1)
    })
  })

  it('looks at NATS itself', async () => {
    await using nats = await startNatsServer({ jetstream: true })
    const { findings, code } = await doctor(nats.url, '--contract', CONTRACT)
    expect(findings.map(({ check, verdict }) => `${check} ${verdict}`)).toEqual([
      'credentials ok',
      'JetStream ok',
      'stream fail',
    ])
    expect(code).toBe(1)
  })

  it('refuses an invalid address', async () => {
    const { code, stderr } = await runCli(['doctor', 'localhost'])
    expect([code, stderr]).toMatchObject([2, expect.stringContaining('"localhost" is not a URL of a bridge or NATS')])
  })
})
