import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { MemoryLimits } from '../budget/budget.ts'
import type { PlaceLimits } from '../budget/places.ts'
import type { PublishRate } from './rate-meter.ts'

/** Limits of clients. Each one states the attack that it stops, the cost that it bounds, and the reason for its default. */
export interface Limits {
  /**
   * Largest header block and payload together, in bytes. Default 1 MiB, as in nats-server. Without it one message could
   * take all memory. A lower limit of the broker counts as well.
   */
  readonly maxPayload: number
  /**
   * Longest control line, in bytes. Default 4,096, as in nats-server. Without it an endless line would take all memory.
   */
  readonly maxControlLine: number
  /**
   * Longest CONNECT line, in bytes. Default 32,768. It contains the token, which has about 5,000 bytes with 120 groups. It
   * bounds the memory of a socket without credentials.
   */
  readonly maxConnectLine: number
  /**
   * Subscriptions of one connection. Default 1,024. Each takes about 0.5 kB and, for a new filter, a subscription at the
   * broker.
   */
  readonly maxSubscriptions: number
  /**
   * Bytes sent to a client that it has not confirmed by a PONG. Default 8 MiB, which is 8 s of a 1 MB/s stream. A client
   * that stops reading would otherwise fill memory. Beyond the limit it is closed as a slow consumer.
   */
  readonly maxPending: number
  /** Connections of one hub. Default 10,000, about 150 MB on Node. Workers have a default of their own. */
  readonly maxConnections: number
  /**
   * Connections of one user at one hub. Default 1,000. One stolen or shared token must not use up `maxConnections`.
   * Anonymous clients are not counted.
   */
  readonly maxConnectionsPerUser: number
  /**
   * Distinct subject filters of one hub. Default 100,000. Each is a subscription at the broker and takes about 0.5 kB at
   * both ends. Clients that invent filters would fill both.
   */
  readonly maxFilters: number
  /**
   * Distinct subject filters of one user at one hub, over all connections. Default 10,000, a tenth of `maxFilters`: 98
   * connections of one user would fill it, and no other client could subscribe to a new filter. An anonymous client has its
   * own share. The last tenth of `maxFilters` is for users with less than a hundredth of it.
   */
  readonly maxFiltersPerUser: number
  /** Longest subject, subject filter or queue group, in characters. Default 512. The broker matches all of its tokens. */
  readonly maxSubjectLength: number
  /** Largest header block, in bytes. Default 16 KiB. All receivers parse it. */
  readonly maxHeaders: number
  /**
   * Memory for data of clients, in bytes: unfinished input, unsent output, held messages, subscriptions, request bodies.
   * Default 16 MiB for one connection or HTTP request, 32 MiB for one user, 256 MiB for the hub. Clients that send half a
   * message, or read nothing, would take all memory. Beyond a limit the most expensive connection or request is closed or
   * refused (`Memory Limit Exceeded`, by HTTP 429 or 503), and all others continue. One connection has at least twice
   * `maxPending`. All connections without credentials together are one user; each anonymous client is one.
   */
  readonly memory: MemoryLimits
  /** Largest body of a batch by HTTP, in bytes. Default 8 MiB, some messages of the largest size. Held until the response. */
  readonly maxBody: number
  /**
   * Time for the body of an HTTP request to arrive, in ms. Default 60,000, which is 1 MiB at 140 kbit/s. A client that sends
   * byte by byte (slow loris) would hold a connection without end.
   */
  readonly bodyTimeout: number
  /**
   * HTTP requests in progress that wait for NATS or a responder. Default 1,000 of one user, 10,000 of a hub. Each holds a
   * socket and a timer for up to 60 s. Beyond that they are refused with 429.
   */
  readonly requests: PlaceLimits
  /**
   * Distinct filters of replays. Default 100 of one connection, 200 of one user. Each is a consumer at JetStream, of which
   * nats-server 2.15 allows 1,000 per stream by default: one connection would use them up for all others. Beyond that a
   * replay is answered with `429 Too Many Replays`.
   */
  readonly replays: {
    /** Filters of one connection. */
    readonly connection: number
    /** Filters of one user, over all connections. */
    readonly user: number
  }
  /**
   * Requests to the JetStream API in progress. Default 8 for one user, 32 for a hub. A cursor such as `n100` takes up to 30 of
   * them, and nats-server processes them one after the other: services next to the bridge would wait for seconds. Beyond the
   * limits they wait for their turn, user by user.
   */
  readonly apiRequests: PlaceLimits
  /**
   * Publish rate of one user at a hub, over all connections and HTTP; of an anonymous client, over one connection. Default
   * 5,000 messages and 8 MiB per second, with a burst of one second. A flood would take the hub's time from other clients.
   * Publishes over the rate are rejected (HTTP 429), and a client that continues is closed.
   */
  readonly publishRate: PublishRate
  /**
   * Atomic batches of one user at one hub that are begun and not committed. Default 5. nats-server has 50 places in a stream
   * and 1,000 in all, for 10 s each: one client that begins batches would use them up for all others. Each anonymous client
   * counts for itself. A batch has at most 1,000 messages.
   */
  readonly maxBatchesPerUser: number
  /**
   * Newest stream messages of each replayed filter in memory. Default 1,024 messages and 1 MiB. Clients that reconnect are
   * served from it, without a request to the broker.
   */
  readonly replayRing: {
    /** Number of messages. */
    readonly messages: number
    /** Their total size, in bytes. */
    readonly bytes: number
  }
  /** Memory for replays of all filters together, in bytes. Default 64 MiB, half of a Durable Object's memory. */
  readonly maxReplayMemory: number
  /**
   * Largest `last-per-subject` replay. Default 10,000 subjects and 8 MiB. The hub holds it in memory to share it between
   * clients.
   */
  readonly replaySnapshot: {
    /** Number of messages, one per subject. */
    readonly messages: number
    /** Their total size, in bytes. */
    readonly bytes: number
  }
  /**
   * Presence of one connection. Default 100 channels and 1,024 bytes. All hubs with watchers keep the state of all
   * members.
   */
  readonly presence: {
    /** Channels in which a connection may be a member. */
    readonly channels: number
    /** Size of its state in each, as JSON, in bytes. */
    readonly state: number
  }
  /**
   * Time after which a connection without subscriptions and publishes is closed, in ms. Default 30 min. 0 means never. An
   * unused connection counts towards `maxConnections`.
   */
  readonly idleTimeout: number
  /**
   * Time from the upgrade to a valid CONNECT, in ms. Default 5,000. Sockets that never authenticate (slow loris) would use
   * up `maxConnections`.
   */
  readonly connectTimeout: number
  /**
   * Time of silence after which the bridge sends a PING, in ms. Default 25,000: middleboxes cut connections after about
   * 100 s of silence. A client that leaves two PINGs unanswered is closed.
   */
  readonly pingInterval: number
}

const MIB = 1024 * 1024

/** The defaults of {@link Limits}. */
export const defaultLimits: Limits = {
  maxPayload: MIB,
  maxControlLine: 4096,
  maxConnectLine: 32_768,
  maxSubscriptions: 1024,
  maxPending: 8 * MIB,
  maxConnections: 10_000,
  maxConnectionsPerUser: 1_000,
  maxFilters: 100_000,
  maxFiltersPerUser: 10_000,
  maxSubjectLength: 512,
  maxHeaders: 16 * 1024,
  memory: { connection: 16 * MIB, user: 32 * MIB, hub: 256 * MIB },
  maxBody: 8 * MIB,
  bodyTimeout: 60_000,
  requests: { user: 1_000, hub: 10_000 },
  replays: { connection: 100, user: 200 },
  apiRequests: { user: 8, hub: 32 },
  publishRate: { messages: 5_000, bytes: 8 * MIB },
  maxBatchesPerUser: 5,
  replayRing: { messages: 1_024, bytes: MIB },
  maxReplayMemory: 64 * MIB,
  replaySnapshot: { messages: 10_000, bytes: 8 * MIB },
  presence: { channels: 100, state: 1024 },
  idleTimeout: 30 * 60_000,
  connectTimeout: 5_000,
  pingInterval: 25_000,
}

/**
 * Merges limits with the defaults, and checks them.
 * @throws SpanwireError `invalid-argument`
 */
export function readLimits(given: Partial<Limits> = {}): Limits {
  check('limits', given, defaultLimits)
  return { ...defaultLimits, ...given }
}

function check(name: string, given: object, known: object): void {
  for (const [key, value] of Object.entries(given)) {
    const what = `${name}.${key}`
    const model = (known as Record<string, unknown>)[key]
    if (model === undefined) throw wrong(`${what} is not a limit. ${name} has ${Object.keys(known).join(', ')}.`)
    if (typeof model === 'object' && model !== null) {
      if (typeof value !== 'object' || Object.keys(model).some((part) => !(part in value)))
        throw wrong(`${what} must be { ${Object.keys(model).join(', ')} }.`)
      check(what, value, model)
    } else if (typeof value !== 'number' || !(value >= 0))
      throw wrong(`${what} is ${value}. It must be a number of at least 0.`)
  }
}

function wrong(message: string): SpanwireError {
  return new SpanwireError('invalid-argument', message)
}

/** Clients join all messages of one turn in one frame, regardless of their limit. nats.ws does so up to 32 KiB and a message. */
const MIN_FRAME = MIB

/** Largest WebSocket message, in bytes. Frames have no meaning in the protocol (T-4), so this only bounds memory. */
export function maxFrame({ maxPayload }: Limits): number {
  return Math.max(2 * maxPayload, MIN_FRAME)
}
