import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { type HostProcess, type Runtime, runOn, startHost } from '../support/process-host.ts'
import { isSkipped } from '../support/runtimes.ts'
import { rootToken, SECRET } from '../support/token.ts'

let server: NatsServer
let bridge: HostProcess
let token: string

beforeAll(async () => {
  server = await startNatsServer()
  bridge = await startHost('node', { upstream: server.url, auth: { secret: SECRET } })
  token = await rootToken()
}, 60_000)

afterAll(async () => {
  await bridge?.stop()
  await server?.[Symbol.asyncDispose]()
})

const ways: Array<[string, () => { url: string; token?: string; by?: 'http' }]> = [
  ["nats-server's WebSocket listener", () => ({ url: server.wsUrl })],
  ['nats-server over TCP', () => ({ url: server.url })],
  ['a bridge', () => ({ url: bridge.url, token })],
  ['a bridge, publishing by HTTP', () => ({ url: bridge.url, token, by: 'http' })],
]

for (const runtime of ['node', 'bun', 'deno'] as const)
  describe.skipIf(isSkipped(runtime))(`the SDK on ${runtime}`, () => {
    it.each(ways)(
      'works with %s',
      async (_, options) => {
        const { output, code } = await smoke(runtime, options())
        expect(output).toContain(
          'ok {"totals":[1,2,3],"answer":42,"nobody":true,"invalid":true,"status":"open","end":"closed"}',
        )
        // The process has ended, so no handle kept it alive.
        expect(code).toBe(0)
      },
      20_000,
    )
  })

async function smoke(runtime: Runtime, options: object): Promise<{ output: string; code: number | null }> {
  const child = runOn(runtime, 'test/runtimes/sdk-smoke.ts', [JSON.stringify(options)])
  let output = ''
  const read = (chunk: Buffer) => {
    output += chunk
  }
  child.stdout?.on('data', read)
  child.stderr?.on('data', read)
  child.stdin?.end()
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  clearTimeout(late)
  return { output, code }
}
