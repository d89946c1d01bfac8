import { type BusOptions, connect } from '../../sdk/connect.ts'
import type { Bus } from '../../sdk/contract/bus.ts'
import type { Events } from '../../sdk/contract/contract.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import type { WebSocketOptions } from '../../sdk/transport/websocket/websocket-options.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { type AuthOptions, createAuthenticator } from '../auth/authenticate.ts'
import type { Limits } from '../auth/limits.ts'
import { type Grant, signToken, type TokenClaims } from '../auth/sign-token.ts'
import { assembleBridge, type Bridge } from '../bridge.ts'
import { createEmbeddedBroker } from '../broker/embedded.ts'
import type { HubStats } from '../hub/hub.ts'
import { installClock, type TestClock } from './clock.ts'
import { moment } from './moments.ts'
import './loaded.ts'
import { createNetwork, type Network, type TestNetwork } from './network.ts'

export interface TestBridgeOptions {
  /**
   * `fake`: time passes only by `clock.advance`, for the whole process until `close`, in the place of the runner's own fake
   * timers (vi.useFakeTimers, jest.useFakeTimers). It needs the package `@sinonjs/fake-timers`, and Node, Deno or Bun.
   * Default `real`.
   */
  readonly clock?: 'real' | 'fake'
  /** The bridge's own `auth`, to test tokens and permissions. Default: whoever comes may do everything. */
  readonly auth?: AuthOptions
  /** As of `createBridge`. */
  readonly limits?: Partial<Limits>
}

/** Whom a client's token is for. Not for a bridge with an `auth` of its own: give `token` then. */
export interface TestUser<Contract extends Events> {
  readonly user: string
  /** What it may publish. Default: everything. */
  readonly publish?: ReadonlyArray<Grant<Contract>>
  /** What it may subscribe to. Default: everything. */
  readonly subscribe?: ReadonlyArray<Grant<Contract>>
  /** More claims, such as `presence`. */
  readonly claims?: NonNullable<TokenClaims<Contract>['claims']>
  /** How long each token lasts, in s. Default 3,600. */
  readonly expiresIn?: number
}

/** As for `connect`, without a URL. */
export type TestClientOptions<Contract extends Events> = BusOptions<Contract> &
  Omit<WebSocketOptions, 'url' | 'openSocket' | 'share' | 'via'> & {
    /** Default: somebody who may do everything. */
    readonly as?: TestUser<Contract>
    /** One of `network()`. Default: that of the bridge. */
    readonly network?: TestNetwork
  }

/** A bridge in memory. Its own network is the one that clients use unless they are given another. */
export interface TestBridge extends TestNetwork, AsyncDisposable {
  /** A client. Its first wait after a cut is 1 ms unless `backoff` says otherwise. `close` of the bridge closes it. */
  connect<Contract extends Events>(options: TestClientOptions<Contract>): Bus<Contract>
  /** A service beside the broker: neither `auth` nor what happens to networks and the bridge concerns it. */
  service<Contract extends Events>(options: BusOptions<Contract>): Bus<Contract>
  /** A connection for what takes a transport, such as `consume`: beside the broker, unless a network is given. */
  transport(options?: { readonly network?: TestNetwork }): Transport
  /** A network apart, for clients that lose it while others don't. */
  network(): TestNetwork
  /** Makes the streams that a contract names, in memory, or brings them up to date. */
  ensureStreams(events: Events): Promise<void>
  /** The bridge's process dies and another one begins. The broker behind it, with its streams, lives on. */
  restart(): void
  /** Resolves when everything that is under way has arrived, and nothing more happens until time passes. */
  settle(): Promise<void>
  /** With `clock: 'fake'`. @throws SpanwireError `invalid-argument` without */
  readonly clock: TestClock
  /** The bridge's HTTP routes: `http({ url: 'http://bridge', fetch: bridge.fetch })`. */
  readonly fetch: (url: string | Request, init?: RequestInit) => Promise<Response>
  /** How many connections and subscriptions there are now: tests of leaks end with zero. */
  readonly stats: HubStats
  /** Closes its clients and gives the clock back. Idempotent. */
  close(): Promise<void>
}

const everything = { allow: ['>'], deny: [] }
const OPEN: AuthOptions = { anonymous: { publish: everything, subscribe: everything } }

/** Moments without anything arriving after which nothing is under way. */
const QUIET = 8

/**
 * Makes a bridge in memory.
 *
 *     await using bridge = createTestBridge({ clock: 'fake' })
 *     const bus = bridge.connect({ events })
 *     bridge.partition()
 *     await bridge.clock.advance(50_000)
 *
 * @throws SpanwireError `invalid-argument` for an `auth` that lets nobody in, and for a second fake clock
 */
export function createTestBridge(options: TestBridgeOptions = {}): TestBridge {
  const secret = secretOf(options.auth) ?? crypto.randomUUID() + crypto.randomUUID()
  const auth = options.auth ?? { ...OPEN, secret }
  const broker = createEmbeddedBroker({ clock: now })
  let arrived = 0
  const moved = () => arrived++
  /** Tokens that are signed or checked, and HTTP requests, under way. */
  let pending = 0
  let hub = begin(auth)
  const beside = begin(OPEN)
  const networks: Network[] = []
  const own = addNetwork()
  const wire = addNetwork(beside)
  const opened = new Set<{ close(): Promise<void> }>()
  const fake = options.clock === 'fake' ? installClock(settle) : undefined
  let closing: Promise<void> | undefined

  function begin(auth: AuthOptions): { readonly bridge: Bridge; readonly end: () => Promise<void> } {
    const upstream = broker.connect()
    const schedule = (run: () => void) => void Promise.resolve().then(run)
    const authenticate = createAuthenticator(auth, now)
    const { bridge } = assembleBridge(
      { auth, limits: options.limits ?? {}, upstream, clock: now, schedule },
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
      await moment()
      quiet = arrived === before && pending === 0 ? quiet + 1 : 0
    }
  }
  function sign<Contract extends Events>(events: Contract, user: TestUser<Contract>): () => Promise<string> {
    if (options.auth && !secretOf(options.auth))
      throw new SpanwireError(
        'invalid-argument',
        'This bridge has an `auth` without one secret: give `token`, not `as`.',
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
    await Promise.all([hub.end(), beside.end()])
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
      await ensureStreams(events, transport, { defaults: { storage: 'memory' } })
      await transport.close()
    },
    restart() {
      for (const network of networks) if (network !== wire) network.killed()
      void hub.end()
      hub = begin(auth)
    },
    settle,
    get clock() {
      if (fake) return fake.clock
      throw new SpanwireError('invalid-argument', "This bridge runs on real time: createTestBridge({ clock: 'fake' }).")
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
      closing ??= close()
      return closing
    },
    [Symbol.asyncDispose]() {
      return this.close()
    },
  }
}

/** A function of its own: `Date` itself is what a test runner replaces. */
function now(): number {
  return Date.now()
}

function secretOf(auth: AuthOptions | undefined): string | undefined {
  return typeof auth?.secret === 'string' ? auth.secret : undefined
}
