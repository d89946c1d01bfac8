import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mayPublish, mayReceive, maySubscribe, type Permissions } from '../../bridge/auth/permissions.ts'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { filtersOverlap, hasWildcard, isSubsetFilter, matchesFilter } from '../../sdk/wire/subject.ts'
import { type Credentials, connectLine } from '../conformance/edge-protocol/audit.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { coreOf } from '../support/hub-core.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { seed } from '../support/seed.ts'
import { createToken, SECRET } from '../support/token.ts'
import { arbitraryFilter, arbitraryPermissions, everySubject } from './arbitrary-permissions.ts'

const USERS = 60
const users = fc.sample(arbitraryPermissions, { numRuns: USERS, seed })

/*
 * Intended differences from nats-server, as narrow as possible. Everything else is compared.
 */
const own = (filter: string) => /^_INBOX\.(?![*>](\.|$))/.test(filter)
const closed = ['_INBOX.>', '$EDGE.>']
const intended = {
  /** The bridge's own subjects, which no permission covers. */
  publishRefused: (subject: string) => matchesFilter('$EDGE.>', subject),
  /** PROTOCOL.md X-6: an inbox under a literal token needs no permission, because the token is secret. */
  subscribeAllowed: (permissions: Permissions, filter: string) =>
    own(filter) ||
    // nats-server treats the `>` of a filter as a token that `*` matches, so it rejects `a.>` if `a.*` is denied. The
    // bridge accepts it and withholds `a.*`, as both do for other denied subsets of a filter.
    permissions.subscribe.deny.some((deny) => matchesTailAsToken(filter, deny)),
  subscribeRefused: (permissions: Permissions, filter: string) =>
    // X-12 and reserved subjects: no filter matches other inboxes or the bridge's subjects.
    closed.some((rule) => isSubsetFilter(filter, rule)) ||
    // For the same reason it accepts `a.>` if `a.*` is allowed, which delivers `a.b.c`.
    permissions.subscribe.allow.some((allow) => matchesTailAsToken(filter, allow)),
  withheld: (permissions: Permissions, filter: string, subject: string) =>
    closed.some((rule) => matchesFilter(rule, subject)) ||
    // nats-server checks messages only if a deny is a subset of a filter of the connection. It delivers `a.b` to `a.*` if
    // `*.b` is denied. The bridge withholds it.
    (permissions.subscribe.deny.some((deny) => matchesFilter(deny, subject) && filtersOverlap(deny, filter)) &&
      !permissions.subscribe.deny.some((deny) => isSubsetFilter(deny, filter))),
}

/** Whether a filter that ends in `>` matches a rule only with its `>` as the rule's `*`. */
function matchesTailAsToken(filter: string, rule: string): boolean {
  return (
    filter.split('.').at(-1) === '>' &&
    rule.split('.').at(-1) === '*' &&
    !isSubsetFilter(filter, rule) &&
    isSubsetFilter(filter.replace(/>$/, 'tail'), rule)
  )
}

let nats: NatsServer
let bridge: BridgeServer
let natsRoot: RawClient
const counts = { publish: 0, subscribe: 0, delivery: 0, live: 0, intendedToDiffer: 0 }

beforeAll(async () => {
  const list = (rules: readonly string[]) => `[${rules.map((rule) => JSON.stringify(rule)).join(', ')}]`
  const lines = users.map(({ publish, subscribe }, index) => {
    const rule = ({ allow, deny }: Permissions['publish']) => `{ allow: ${list(allow)}, deny: ${list(deny)} }`
    return `{ user: u${index}, password: p, permissions: { publish: ${rule(publish)}, subscribe: ${rule(subscribe)} } }`
  })
  nats = await startNatsServer({
    config: `authorization { users: [ { user: root, password: p }\n${lines.join('\n')} ] }`,
  })
  bridge = await serve({
    upstream: nats.url.replace('//', '//root:p@'),
    auth: { secret: SECRET },
    limits: { publishRate: { messages: 1e6, bytes: 1e9 }, maxConnectionsPerUser: 10_000 },
  })
  await bridge.bridge.hub.opened
  natsRoot = await connect(nats.wsUrl, { user: 'root', pass: 'p' })
}, 60_000)

afterAll(async () => {
  console.log(`permissions compared with nats-server ${nats.version}, seed ${seed}:`, counts)
  await bridge?.close()
  await nats?.[Symbol.asyncDispose]()
})

async function connect(url: string, credentials: Credentials): Promise<RawClient> {
  const client = await RawClient.open(url)
  client.send(connectLine({}, credentials))
  const { ending } = await client.exchange()
  if (ending) throw new Error(`CONNECT was refused: ${ending.reason}`)
  return client
}

const asUser = (index: number) => connect(nats.wsUrl, { user: `u${index}`, pass: 'p' })

async function asBridgeClient({ publish: pub, subscribe }: Permissions): Promise<RawClient> {
  return connect(`${bridge.url.replace('http', 'ws')}/nats`, { auth_token: await createToken({ pub, subscribe }) })
}

/** The names that the server rejected, by its `-ERR` texts. */
async function refusals(client: RawClient, bytes: string, kind: string): Promise<Set<string>> {
  const { lines, ending } = await client.exchange(bytes, 10_000)
  if (ending) throw new Error(`The connection ended: ${ending.reason}`)
  const refused = lines.map(({ line }) => new RegExp(`^-ERR 'Permissions Violation for ${kind} to (".*")'$`).exec(line))
  return new Set(refused.flatMap((match) => (match ? [JSON.parse(match[1] as string) as string] : [])))
}

const publishAll = (subjects: readonly string[]) => subjects.map((subject) => `PUB ${subject} 0\r\n\r\n`).join('')
const subscribeAll = (filters: readonly string[]) => filters.map((filter, sid) => `SUB ${filter} ${sid}\r\n`).join('')

/** The subjects that are delivered to the only subscription of a connection. */
async function delivered(client: RawClient, filter: string, behindBridge = false): Promise<Set<string>> {
  await client.exchange(`SUB ${filter} 1\r\n`)
  await natsRoot.exchange(publishAll(everySubject))
  // A bridge answers PING before messages that are on their way from the broker.
  const { hub } = bridge.bridge
  if (behindBridge)
    await coreOf(hub).upstream.confirm(coreOf(hub).publish({ subject: '$EDGE.UNUSED', payload: new Uint8Array(0) }))
  const { lines } = await client.exchange()
  return new Set(lines.flatMap(({ line }) => (line.startsWith('MSG ') ? [line.split(' ')[1] as string] : [])))
}

const user = fc.nat(USERS - 1)
const check = <T>(property: fc.IAsyncPropertyWithHooks<T>, numRuns: number, ms: number) =>
  fc.assert(property, { seed, numRuns, interruptAfterTimeLimit: ms })

describe(`permissions match nats-server (SPANWIRE_SEED=${seed})`, () => {
  it('for publishes', async () => {
    for (const [index, permissions] of users.entries()) {
      const client = await asUser(index)
      const refused = await refusals(client, publishAll(everySubject), 'Publish')
      client.terminate()
      for (const subject of everySubject) {
        counts.publish++
        const reference = !refused.has(subject)
        const ours = mayPublish(permissions, subject)
        if (ours === reference) continue
        expect(reference && intended.publishRefused(subject), explain('publish', permissions, subject, ours)).toBe(true)
        counts.intendedToDiffer++
      }
    }
  })

  it('for subscriptions', async () => {
    const property = fc.asyncProperty(
      user,
      fc.uniqueArray(arbitraryFilter, { minLength: 60 }),
      async (index, filters) => {
        const permissions = users[index] as Permissions
        const client = await asUser(index)
        const refused = await refusals(client, subscribeAll(filters), 'Subscription')
        client.terminate()
        for (const filter of filters) {
          counts.subscribe++
          const reference = !refused.has(filter)
          const ours = maySubscribe(permissions, filter) !== 'refused'
          if (ours === reference) continue
          const differs = ours
            ? intended.subscribeAllowed(permissions, filter)
            : intended.subscribeRefused(permissions, filter)
          expect(differs, explain('subscribe', permissions, filter, ours)).toBe(true)
          counts.intendedToDiffer++
        }
      },
    )
    await check(property, 600, 4_000)
  })

  it('for messages of a subscription', async () => {
    const property = fc.asyncProperty(user, arbitraryFilter, fc.nat(7), async (index, any, choice) => {
      const permissions = users[index] as Permissions
      // Most filters are rejected. The user's own allowed filters rarely are.
      const filter = permissions.subscribe.allow[choice] ?? any
      if (!hasWildcard(filter)) return
      const verdict = maySubscribe(permissions, filter)
      if (verdict === 'refused' || intended.subscribeAllowed(permissions, filter)) return
      const client = await asUser(index)
      const got = await delivered(client, filter)
      client.terminate()
      for (const subject of everySubject) {
        counts.delivery++
        const reference = got.has(subject)
        const ours = matchesFilter(filter, subject) && (verdict === 'allowed' || mayReceive(permissions, subject))
        if (ours === reference) continue
        const differs = reference && intended.withheld(permissions, filter, subject)
        expect(differs, explain(`delivery under ${filter}`, permissions, subject, ours)).toBe(true)
        counts.intendedToDiffer++
      }
    })
    await check(property, 800, 5_000)
  })

  it('for messages of a live bridge', async () => {
    const property = fc.asyncProperty(
      user,
      fc.uniqueArray(arbitraryFilter, { minLength: 30 }),
      async (index, filters) => {
        const permissions = users[index] as Permissions
        const client = await asBridgeClient(permissions)
        const refusedPublishes = await refusals(client, publishAll(everySubject), 'Publish')
        const refusedFilters = await refusals(client, subscribeAll(filters), 'Subscription')
        client.terminate()
        for (const subject of everySubject) {
          counts.live++
          expect(refusedPublishes.has(subject), `publish ${subject}`).toBe(!mayPublish(permissions, subject))
        }
        for (const filter of filters) {
          counts.live++
          expect(refusedFilters.has(filter), `subscribe ${filter}`).toBe(
            maySubscribe(permissions, filter) === 'refused',
          )
        }
        const [filter] = filters.filter((one) => maySubscribe(permissions, one) === 'withheld')
        if (filter === undefined) return
        const listener = await asBridgeClient(permissions)
        const got = await delivered(listener, filter, true)
        listener.terminate()
        const expected = everySubject.filter((one) => matchesFilter(filter, one) && mayReceive(permissions, one))
        expect([...got].sort(), `delivery under ${filter}`).toEqual(expected.sort())
      },
    )
    await check(property, 150, 4_000)
  })

  it('for thousands of cases', () => {
    expect(counts.publish).toBeGreaterThan(3_000)
    expect(counts.subscribe).toBeGreaterThan(1_000)
    expect(counts.delivery).toBeGreaterThan(1_000)
    expect(counts.live).toBeGreaterThan(1_000)
  })
})

function explain(what: string, permissions: Permissions, name: string, ours: boolean): string {
  const rules = JSON.stringify(what === 'publish' ? permissions.publish : permissions.subscribe)
  return `${what} ${name}: bridge ${ours}, nats-server ${!ours}, rules ${rules}, seed ${seed}`
}
