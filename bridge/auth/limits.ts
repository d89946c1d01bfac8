import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { PublishRate } from './rate-meter.ts'

/** What one client may cost. Every limit states the attack it stops, the cost it bounds, and why the default. */
export interface Limits {
  /**
   * Largest header block and payload together, in bytes. Default 1 MiB, nats-server's own.
   * Without it one message could take all memory. The broker's limit counts too if it is lower.
   */
  readonly maxPayload: number
  /**
   * Longest control line, in bytes. Default 4,096, nats-server's own.
   * Without it a line that never ends grows until memory is gone.
   */
  readonly maxControlLine: number
  /**
   * Subscriptions of one connection. Default 1,024.
   * Each costs about 0.5 kB here and, if its filter is new, one subscription at the broker.
   */
  readonly maxSubscriptions: number
  /**
   * Bytes sent to a client that it has not confirmed by a PONG. Default 8 MiB.
   * A client that stops reading would otherwise fill the socket's buffer without limit; past this it is a slow
   * consumer, is told so, and is closed. 8 MiB is 8 s of a 1 MB/s stream.
   */
  readonly maxPending: number
  /** Connections of one hub. Default 10,000: about 150 MB on Node; on a Durable Object see worker/. */
  readonly maxConnections: number
  /**
   * Connections of one user of one hub. Default 1,000. One stolen or shared token must not take all places.
   * Anonymous clients are not counted.
   */
  readonly maxConnectionsPerUser: number
  /**
   * Different subject filters of one hub. Default 100,000. Each is a subscription at the broker, about 0.5 kB there and
   * here; clients that invent filters would fill both.
   */
  readonly maxFilters: number
  /** Longest subject, subject filter or queue group, in characters. Default 512. The broker matches every token of it. */
  readonly maxSubjectLength: number
  /** Largest header block, in bytes. Default 16 KiB: nobody needs more, and every receiver parses it. */
  readonly maxHeaders: number
  /**
   * What one user may publish at a hub, over all of its connections and by HTTP; an anonymous client, over one
   * connection. Default 5,000 messages and 8 MiB a second, and one second's worth
   * at once. A flood would take the hub's time from everybody else: what is over is refused, and a client that
   * goes on is closed. HTTP answers 429.
   */
  readonly publishRate: PublishRate
  /**
   * What a hub keeps of a filter's newest stream messages. Default 1,024 messages and 1 MiB: clients that come back
   * after a cut are served from it, without a question to the broker.
   */
  readonly replayRing: { readonly messages: number; readonly bytes: number }
  /** All of those of a hub together, in bytes. Default 64 MiB: half of what a Durable Object has. */
  readonly maxReplayMemory: number
  /**
   * Most that a replay by `last-per-subject` may have. Default 10,000 subjects and 8 MiB: the hub holds it in memory to
   * share it. Narrower filters have less.
   */
  readonly replaySnapshot: { readonly messages: number; readonly bytes: number }
  /**
   * In how many channels one connection may be present, and how much it may say of itself in each, in bytes of JSON.
   * Default 100 channels and 1,024 bytes: every member's state is kept by every hub where somebody watches.
   */
  readonly presence: { readonly channels: number; readonly state: number }
  /**
   * How long a connection may do nothing but answer PINGs and have no subscription, in ms. Default 30 min; 0 for ever.
   * It holds a place for nothing.
   */
  readonly idleTimeout: number
  /**
   * How long a client may take from the upgrade to a valid CONNECT, in ms. Default 5,000.
   * Sockets that never authenticate (slow loris) hold a place otherwise.
   */
  readonly connectTimeout: number
  /**
   * Time between PINGs to a client, in ms. Default 25,000: Cloudflare and other middleboxes cut what is silent for
   * about 100 s. Two unanswered PINGs end the connection.
   */
  readonly pingInterval: number
}

/** The defaults of {@link Limits}. */
export const defaultLimits: Limits = {
  maxPayload: 1024 * 1024,
  maxControlLine: 4096,
  maxSubscriptions: 1024,
  maxPending: 8 * 1024 * 1024,
  maxConnections: 10_000,
  maxConnectionsPerUser: 1_000,
  maxFilters: 100_000,
  maxSubjectLength: 512,
  maxHeaders: 16 * 1024,
  publishRate: { messages: 5_000, bytes: 8 * 1024 * 1024 },
  replayRing: { messages: 1_024, bytes: 1024 * 1024 },
  maxReplayMemory: 64 * 1024 * 1024,
  replaySnapshot: { messages: 10_000, bytes: 8 * 1024 * 1024 },
  presence: { channels: 100, state: 1024 },
  idleTimeout: 30 * 60_000,
  connectTimeout: 5_000,
  pingInterval: 25_000,
}

/**
 * The limits of a hub: the defaults, but for what is given. A limit that is no number would bound nothing.
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
    if (model === undefined) throw wrong(`There is no ${what}: ${name} are ${Object.keys(known).join(', ')}.`)
    if (typeof model === 'object' && model !== null) {
      if (typeof value !== 'object' || Object.keys(model).some((part) => !(part in value)))
        throw wrong(`${what} must be { ${Object.keys(model).join(', ')} }.`)
      check(what, value, model)
    } else if (typeof value !== 'number' || !(value >= 0))
      throw wrong(`${what} is ${value}: it must be a number from 0.`)
  }
}

function wrong(message: string): SpanwireError {
  return new SpanwireError('invalid-argument', message)
}
