/** Attacks on the HTTP routes of a bridge in workerd, which reads requests itself. Their memory is not visible from outside. */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { eventually } from '../support/eventually.ts'
import { encodeChunk, RawHttp } from '../support/raw-http.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { type RunningWorker, startWorker } from '../support/workerd.ts'

const KEY = 'k'.repeat(40)

let worker: RunningWorker
let token: string
const authorized = () => ({ Authorization: `Bearer ${token}` })

beforeAll(async () => {
  token = await rootToken()
  worker = await startWorker({ secret: SECRET, vars: { MONITORING_KEY: KEY } })
}, 60_000)
afterAll(() => worker?.stop())

async function connections(): Promise<number> {
  const response = await fetch(`${worker.url}/varz`, { headers: { Authorization: `Bearer ${KEY}` } })
  return ((await response.json()) as { connections: number }).connections
}

it('answers strangers before it reads their bodies', async () => {
  // Not an unknown path: wrangler's development server reads that body itself.
  for (const path of ['/publish/a', '/publish', '/request/a']) {
    const stranger = await RawHttp.open(worker.url)
    stranger.request(`POST ${path}`, { 'Transfer-Encoding': 'chunked' })
    stranger.send(encodeChunk(Buffer.alloc(65_536)))
    expect(await stranger.status()).toBe(401)
    stranger.destroy()
  }
}, 30_000)

it.each(['/events?subject=a', '/nats/stream', '/nats', '/history/a', '/healthz', '/publish/a'])(
  'HEAD %s keeps no session',
  async (path) => {
    const response = await fetch(`${worker.url}${path}`, { method: 'HEAD', headers: authorized() })
    expect(response.status).toBeLessThan(500)
    await eventually(async () => (await connections()) === 0)
  },
  30_000,
)

it('does not publish a compressed body', async () => {
  const headers = { ...authorized(), 'Content-Encoding': 'gzip' }
  const response = await fetch(`${worker.url}/publish/a`, { method: 'POST', headers, body: gzipSync('hi') })
  expect(response.status).toBe(415)
})

it('publishes the data of a batch as it was sent', async () => {
  const client = await RawClient.open(`${worker.url.replace('http', 'ws')}/nats`)
  await client.exchange(`CONNECT {"auth_token":"${token}","verbose":false}\r\nSUB exact 1\r\n`)
  const data = '{"big":9007199254740993,"huge":1e400,"a":1,"a":2}'
  const body = `{"subject":"exact","data":${data}}\n{"subject":"b","expectLastSeq":{"toString":1,"valueOf":1}}\n`
  const response = await fetch(`${worker.url}/publish`, { method: 'POST', headers: authorized(), body })
  const results = (await response.text()).trim().split('\n')
  expect(results.map((line) => JSON.parse(line).code ?? JSON.parse(line).ok)).toEqual([true, 'invalid-argument'])
  expect((await client.next())?.payload).toBe(data)
  client.close()
})

it('a WebSocket message above the limit is refused', async () => {
  const client = await RawClient.open(`${worker.url.replace('http', 'ws')}/nats`)
  client.sendText('x'.repeat(3 * 1024 * 1024))
  await eventually(() => client.ending, { what: 'the end' })
  expect(client.ending?.code).toBe(1009)
  await eventually(async () => (await connections()) === 0)
}, 30_000)
