import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { type RunningWorker, startWorker } from '../support/workerd.ts'

let worker: RunningWorker
beforeAll(async () => {
  worker = await startWorker({ secret: SECRET, main: 'test/workerd/evictable.ts' })
}, 60_000)
afterAll(() => worker?.stop())

async function connected(): Promise<RawClient> {
  const client = await RawClient.open(`${worker.url.replace('http', 'ws')}/nats`)
  const options = { auth_token: await rootToken(), verbose: false, headers: true, no_responders: true }
  await client.exchange(`CONNECT ${JSON.stringify(options)}\r\nSUB answers 1\r\n`)
  return client
}

async function ask(client: RawClient, subject: string, fields: unknown): Promise<Record<string, unknown>> {
  const payload = JSON.stringify(fields)
  client.send(`PUB ${subject} answers ${payload.length}\r\n${payload}\r\n`)
  return JSON.parse((await client.next())?.payload ?? '{}')
}

describe('streams of the embedded upstream on workerd', () => {
  it('survive the eviction of the hub', async () => {
    const client = await connected()
    const made = await ask(client, '$JS.API.STREAM.CREATE.S', { name: 'S', subjects: ['s.>'] })
    for (let seq = 1; seq <= 3; seq++) expect(await ask(client, 's.a', { seq })).toEqual({ stream: 'S', seq })
    await ask(client, '$JS.API.STREAM.CREATE.M', { name: 'M', subjects: ['m.>'], storage: 'memory' })
    await fetch(`${worker.url}/test/hub-1/let-go`, { method: 'POST' })
    await worker.evict()
    const again = await connected()
    const info = await ask(again, '$JS.API.STREAM.INFO.S', {})
    // This is a new object, without the memory of the old one.
    expect(await ask(again, '$JS.API.STREAM.INFO.M', {})).toMatchObject({ error: { err_code: 10059 } })
    expect(info.created).toBe(made.created)
    expect(info.state).toMatchObject({ messages: 3, first_seq: 1, last_seq: 3 })
    expect(await ask(again, '$JS.API.STREAM.MSG.GET.S', { seq: 2 })).toMatchObject({
      message: { subject: 's.a', seq: 2, data: btoa('{"seq":2}') },
    })
    expect(await ask(again, 's.a', {})).toEqual({ stream: 'S', seq: 4 })
    client.terminate()
    again.terminate()
  }, 40_000)
})
