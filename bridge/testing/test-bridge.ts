import { type BusOptions, connect } from '../../sdk/connect.ts'
import type { Bus } from '../../sdk/contract/bus.ts'
import type { Events } from '../../sdk/contract/contract.ts'
import { ensureStreams, type StreamOptions } from '../../sdk/streams/index.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import type { WebSocketOptions } from '../../sdk/transport/websocket/websocket-options.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { type AuthOptions, createAuthenticator } from '../auth/authenticate.ts'
import type { Limits } from '../auth/limits.ts'
import { type Grant, signToken, type TokenClaims } from '../auth/sign-token.ts'
import { assembleBridge, type Bridge } from '../bridge.ts'
import { createEmbeddedBroker } from '../broker/embedded.ts'
import type { ContractOptions } from '../contract/contract-options.ts'
import type { HubStats } from '../hub/hub.ts'
import { installClock, nextTurn, type TestClock } from './clock.ts'
import { createNetwork, type Network, type TestNetwork } from './network.ts'

// Parts that the SDK loads on first use. A dynamic import takes real time, which a test with a fake clock does not expect.
import '../../sdk/bus/request-reply.ts'
import '../../sdk/bus/schedules.ts'
import '../../sdk/bus/sources.ts'
import '../../sdk/bus/batch.ts'
import '../../sdk/bus/methods.ts'
import '../../sdk/outbox/outbox.ts'
import '../../sdk/presence/presence.ts'
import '../../sdk/replay/direct-source.ts'
import '../../sdk/transport/websocket/fallback.ts'
import '../../sdk/transport/websocket/requester.ts'
import '../../sdk/transport/websocket/token-refresh.ts'

/** Options of {@link createTestBridge}. */
export interface TestBridgeOptions<Contract extends Events = Events> extends ContractOptions<Contract> {
  /**
   * With `fake`, time passes only by `clock.advance`, for the whole process until `close`. It replaces the fake timers of
   * the test runner (vi.useFakeTimers, jest.useFakeTimers), needs the package `@sinonjs/fake-timers`, and runs on Node,
   * Deno and Bun. Default `real`.
   */
  readonly clock?: 'real' | 'fake'
  /** Option `auth` of the bridge, to test tokens and permissions. Default: clients without a token have all permissions. */
  readonly auth?: AuthOptions
  /** Limits, as in `createBridge`. */
  readonly limits?: Partial<Limits>
}

/** The user of a client's token. With `auth` without a secret, use `token` instead. */
export interface TestUser<Contract extends Events> {
  /** Name of the user: `sub` of its tokens. */
  readonly user: string
  /** Permissions to publish. Default: all. */
  readonly publish?: ReadonlyArray<Grant<Contract>>
  /** Permissions to subscribe. Default: all. */
  readonly subscribe?: ReadonlyArray<Grant<Contract>>
  /** More claims, such as `presence`. */
  readonly claims?: NonNullable<TokenClaims<Contract>['claims']>
  /** Lifetime of each token, in s. Default 3,600. */
  readonly expiresIn?: number
}

/** Options of {@link TestBridge.connect}, which are like options of `connect` without a URL. */
export type TestClientOptions<Contract extends Events> = BusOptions<Contract> &
  Omit<WebSocketOptions, 'url' | 'openSocket' | 'share' | 'via'> & {
    /** User of the client. Default: an anonymous client with all permissions. */
    readonly as?: TestUser<Contract>
    /** A network of `network()`. Default: the bridge's own. */
    readonly network?: TestNetwork
  }

/** A bridge in memory. Its network is the default network of its clients. */
export interface TestBridge extends TestNetwork, AsyncDisposable {
  /** Connects a client. Its first backoff is 1 ms by default. `close` of the bridge closes it. */
  connect<Contract extends Events>(options: TestClientOptions<Contract>): Bus<Contract>
  /** Connects a service to the broker. It is not affected by `auth`, networks and `restart`. */
  service<Contract extends Events>(options: BusOptions<Contract>): Bus<Contract>
  /** A transport, for example for `consume`. It is connected to the broker, unless a network is given. */
  transport(options?: { readonly network?: TestNetwork }): Transport
  /** Creates a separate network, for faults that affect only some clients. */
  network(): TestNetwork
  /** Creates or updates the streams of a contract, in memory, with all features: `ttl`, `atomic`, `schedules`, `rollup`. */
  ensureStreams(events: Events): Promise<void>
  /** Replaces the bridge, as if its process was killed. The broker keeps its streams. */
  restart(): void
  /** Resolves once all messages have arrived and nothing more happens until time passes. */
  settle(): Promise<void>
  /** The fake clock. @throws SpanwireError `invalid-argument` without `clock: 'fake'` */
  readonly clock: TestClock
  /** Calls the bridge's HTTP routes: `http({ url: 'http://bridge', fetch: bridge.fetch })`. */
  readonly fetch: (url: string | Request, init?: RequestInit) => Promise<Response>
  /** Current numbers of connections and subscriptions, for tests of leaks. */
  readonly stats: HubStats
  /** Closes all clients, and restores the clock. Idempotent. */
  close(): Promise<void>
}

const everything = { allow: ['>'], deny: [] }
const OPEN: AuthOptions = { anonymous: { publish: everything, subscribe: everything } }

/** Event-loop turns without an arrival after which the bridge has settled. */
const QUIET = 8

/**
 * Creates a bridge in memory.
 *
 *     await using bridge = createTestBridge({ clock: 'fake' })
 *     const bus = bridge.connect({ events })
 *     bridge.partition()
 *     await bridge.clock.advance(50_000)
 *
 * @throws SpanwireError `invalid-argument` for an `auth` that rejects all clients, and for a second fake clock
 */
export function createTestBridge<Contract extends Events>(options: TestBridgeOptions<Contract> = {}): TestBridge {
  const secret = secretOf(options.auth) ?? crypto.randomUUID() + crypto.randomUUID()
  const auth = options.auth ?? { ...OPEN, secret }
  const broker = createEmbeddedBroker({ clock: now })
  let arrived = 0
  const moved = () => arrived++
  /** Number of pending signatures, token checks and HTTP requests. */
  let pending = 0
  let hub = begin(auth)
  /** The bridge of services. */
  const services = begin(OPEN)
  const networks: Network[] = []
  const own = addNetwork()
  const wire = addNetwork(services)
  const opened = new Set<{ close(): Promise<void> }>()
  const fake = options.clock === 'fake' ? installClock(settle) : undefined
  let closed: Promise<void> | undefined

  function begin(auth: AuthOptions): { readonly bridge: Bridge; readonly end: () => Promise<void> } {
    const { clock: _, auth: __, limits = {}, ...contract } = options
    const upstream = broker.connect()
    const schedule = (run: () => void) => void Promise.resolve().then(run)
    const authenticate = createAuthenticator(auth, now)
    const { bridge } = assembleBridge(
      { ...contract, auth, limits, log: 'off', upstream, clock: now, schedule },
      (credentials) => during(authenticate(credentials)),
    )
    const end = () => {
      bridge.close()
      return upstream.close()
    }
    return { bridge, end }
  }
  function addNetwork(to?: typeof hub): Network {
    const network = createNetwork((socket) => (to ?? hub).bridge.hub.open(socket), moved)
    networks.push(network)
    return network
  }
  async function during<T>(work: T | Promise<T>): Promise<T> {
    pending++
    try {
      return await work
    } finally {
      pending--
      moved()
    }
  }
  async function settle(): Promise<void> {
    let quiet = 0
    while (quiet < QUIET) {
      const before = arrived
      await nextTurn()
      quiet = arrived === before && pending === 0 ? quiet + 1 : 0
    }
  }
  function sign<Contract extends Events>(events: Contract, user: TestUser<Contract>): () => Promise<string> {
    if (options.auth && !secretOf(options.auth))
      throw new SpanwireError(
        'invalid-argument',
        'The option `auth` of this bridge has no single secret. Use `token` instead of `as`.',
      )
    const all = [{ filter: '>' }]
    const claims: TokenClaims<Contract> = { events, publish: all, subscribe: all, expiresIn: 3_600, ...user }
    return () => during(signToken<Contract>({ ...claims, secret }))
  }
  function dial(network: TestNetwork, more: Partial<WebSocketOptions> = {}): Transport {
    const found = networks.find((one) => one === network)
    if (!found) throw new SpanwireError('invalid-argument', 'This network belongs to another bridge.')
    const backoff = { first: 1, longest: 50 }
    return webSocket({ backoff, ...more, via: 'websocket', url: 'ws://test.invalid/nats', openSocket: found.dial })
  }
  function keep<Client extends { close(): Promise<void> }>(client: Client): Client {
    opened.add(client)
    return client
  }
  async function close(): Promise<void> {
    for (const network of networks) network.heal()
    await Promise.all([...opened].map((client) => client.close()))
    await Promise.all([hub.end(), services.end()])
    broker.close()
    fake?.uninstall()
  }

  return {
    connect: ({ as: user, network = own, ...more }) =>
      keep(
        connect({
          ...more,
          transport: dial(network, { ...more, ...(user && { token: sign(more.events, user) }) }),
        }),
      ),
    service: (more) => keep(connect({ ...more, transport: dial(wire) })),
    transport: ({ network = wire } = {}) => keep(dial(network)),
    network: () => addNetwork(),
    async ensureStreams(events) {
      const transport = dial(wire)
      await ensureStreams(events, transport, { defaults: streamOptions(events) })
      await transport.close()
    },
    restart() {
      for (const network of networks) if (network !== wire) network.kill()
      void hub.end()
      hub = begin(auth)
    },
    settle,
    get clock() {
      if (fake) return fake.clock
      throw new SpanwireError(
        'invalid-argument',
        "This bridge uses real time. Use createTestBridge({ clock: 'fake' }).",
      )
    },
    fetch: (url, init) => during(hub.bridge.app.fetch(new Request(url, init))),
    get stats() {
      return hub.bridge.hub.stats
    },
    drop: own.drop,
    down: own.down,
    partition: own.partition,
    heal: own.heal,
    close() {
      closed ??= close()
      return closed
    },
    [Symbol.asyncDispose]() {
      return this.close()
    },
  }
}

/** Reads `Date` at each call, because test runners replace it. */
function now(): number {
  return Date.now()
}

function secretOf(auth: AuthOptions | undefined): string | undefined {
  return typeof auth?.secret === 'string' ? auth.secret : undefined
}

/** All features. A name that begins with a param would match schedules. */
function streamOptions(events: Events): StreamOptions {
  const isWide = Object.keys(events).some((name) => name.startsWith('{'))
  return { storage: 'memory', ttl: true, atomic: true, rollup: true, schedules: !isWide }
}
