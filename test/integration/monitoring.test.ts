import { expect, it } from 'vitest'
import { serve } from '../../bridge/hosts/node.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { openToAll } from '../support/open-to-all.ts'

const KEY = 'a-key-to-look-at-it-of-32-characters'
/** Members that nats-server does not have, or has only for other kinds of servers. */
const OWN = ['edge', 'id', 'num_upstream', 'clients', 'authorized_user']

it('names its statistics like nats-server', async () => {
  // nats-server leaves out unset members.
  await using nats = await startNatsServer({ config: 'max_subscriptions: 1000' })
  await using bridge = await serve({ upstream: nats.url, auth: openToAll, monitoring: { key: KEY } })
  const ask = async (url: string, path: string) => {
    const response = await fetch(url + path, { headers: { Authorization: `Bearer ${KEY}` } })
    return (await response.json()) as Record<string, unknown>
  }
  const client = async (url: string) => {
    const opened = await RawClient.open(url)
    await opened.exchange('CONNECT {"verbose":false,"name":"x","lang":"raw","version":"1"}\r\nSUB a 1\r\nSUB b q 2\r\n')
    return opened
  }
  await eventually(() => bridge.bridge.hub.upstreamOpen)
  const clients = [await client(nats.wsUrl), await client(`${bridge.url.replace('http', 'ws')}/nats`)]
  const kinds = (value: unknown) =>
    Object.fromEntries(Object.entries(Object(value)).map(([name, field]) => [name, typeof field]))
  const others: string[] = []
  const compare = (own: unknown, reference: unknown, where: string) => {
    const theirs = kinds(reference)
    for (const [name, kind] of Object.entries(kinds(own)))
      if (!OWN.includes(name) && theirs[name] !== kind) others.push(`${where} ${name}: ${kind}, not ${theirs[name]}`)
  }
  for (const path of ['/varz', '/connz?subs=1', '/subsz?subs=1']) {
    const [own, theirs] = [await ask(bridge.url, path), await ask(nats.monitorUrl, path)]
    compare(own, theirs, path)
    for (const list of ['connections', 'subscriptions_list']) {
      const [ours, all] = [own[list], theirs[list]]
      if (!Array.isArray(ours) || !Array.isArray(all)) continue
      // Entries leave out empty members.
      compare(ours[0], Object.assign({}, ...all), `${path} ${list}`)
    }
  }
  expect(others).toEqual([])
  for (const opened of clients) opened.close()
})
