import { Hono } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { type ConnectionStats, clientIdOf } from '../delivery/connection-stats.ts'
import { checkDeadLetterFilters } from '../hub/dead-letter-counts.ts'
import type { HubConnection } from '../hub/hub.ts'
import type { HubCore } from '../hub/hub-core.ts'
import type { Peers } from '../hub/peers.ts'
import { StreamReports } from '../hub/stream-reports.ts'
import { closeReasons } from '../session/close-reason.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { INSPECTION_PATHS, inspectionRoutes } from './inspection-routes.ts'
import { writeMetrics } from './metrics.ts'
import { answerMonitoring, routeToHub } from './monitoring-peers.ts'
import { toProblem } from './problem.ts'
import { requireKey } from './require-key.ts'

/** Turns the monitoring routes on. Without it there are none. */
export interface MonitoringOptions {
  /** Sent as `Authorization: Bearer`. At least 32 characters of `A-Z a-z 0-9 - . _ ~ + /`, and not a key that signs tokens. */
  readonly key: string
  /**
   * Whether the key may read messages of all subjects by `/tailz`, as the live tail of the inspector does. Default: `true`
   * with an inspector, otherwise `false`.
   */
  readonly tail?: boolean
  /**
   * Filters of the subjects of dead letters, such as `['dead.>']`: at most 10. `/metrics` and `/jsz` count their messages by
   * subject, for the 100 subjects with the most messages. Default: none.
   */
  readonly deadLetters?: readonly string[]
}

/** Paths that belong to one hub. */
const PATHS = ['/varz', '/connz', '/subsz', '/metrics', ...INSPECTION_PATHS]

/** Entries in a page of a list. nats-server's own default. */
const PAGE = 1_024

/** Whether a request is for one of these routes. */
export function isMonitoring({ url }: Request): boolean {
  const { pathname } = new URL(url)
  return pathname === '/hubz' || PATHS.includes(pathname)
}

/** What monitoring needs of a bridge. */
export interface MonitoringServices {
  readonly hub: HubCore
  readonly peers: Peers
  readonly upstream: Upstream
  /** Whether there are admin routes. */
  readonly hasAdmin: boolean
}

/**
 * `GET /varz`, `/connz` and `/subsz`, with nats-server's names, `/metrics` for Prometheus, and {@link inspectionRoutes}. Lists
 * take `offset` and `limit` (at most 1,024). `/connz` also takes `user`, `match` (a part of the user, name, address or id),
 * and `subs=1` to list subscriptions. `/subsz` takes `match` and `subs=1`. Tokens are never shown, and payloads only by
 * `/tailz`. `?hub=` with a hub's id, or its name in a group, requests that hub over NATS. In a group, `/metrics` without it
 * has the statistics of all hubs. `/hubz` lists the hubs.
 * Source: https://docs.nats.io/running-a-nats-service/nats_admin/monitoring
 */
export function monitoringRoutes(services: MonitoringServices, options: MonitoringOptions) {
  const { hub, peers, upstream, hasAdmin } = services
  const { key, tail = false, deadLetters = [] } = options
  checkDeadLetterFilters(deadLetters, 'monitoring.deadLetters')
  const app = new Hono()
  const check = requireKey(key, 'monitoring.key')
  app.route('/', hubsRoute(peers.group?.names ?? [], hasAdmin, options))
  for (const path of PATHS) app.use(path, check, routeToHub(peers))
  const reports = new StreamReports(hub.jetstream.link, hub.clock, deadLetters)
  const statistics = statisticsRoutes(hub, peers, reports)
  const inspection = inspectionRoutes({ hub, upstream, reports }, tail)
  statistics.route('/', inspection.app)
  answerMonitoring(peers, statistics)
  app.route('/', statistics)
  return { app, close: inspection.close }
}

/** `GET /hubz`: names of the hubs for `?hub=`, and what the inspector may do. */
export function hubsRoute(hubs: readonly string[], admin: boolean, { key, tail = false }: MonitoringOptions): Hono {
  return new Hono().get('/hubz', requireKey(key, 'monitoring.key'), (c) => c.json({ hubs, admin, tail }))
}

/** The routes without a check of the key. */
function statisticsRoutes(hub: HubCore, peers: Peers, reports: StreamReports): Hono {
  const app = new Hono()
  app.onError((error, c) => toProblem(c, error))

  app.get('/varz', (c) => {
    const { stats, limits } = hub
    return c.json({
      ...head(hub),
      server_name: 'spanwire',
      start: at(hub.startedAt),
      connections: stats.connections,
      total_connections: stats.opened,
      subscriptions: stats.subscriptions,
      in_msgs: stats.inMessages,
      in_bytes: stats.inBytes,
      out_msgs: stats.outMessages,
      out_bytes: stats.outBytes,
      slow_consumers: stats.closed.get(closeReasons.slowConsumer.text) ?? 0,
      max_connections: limits.maxConnections,
      max_payload: hub.maxPayload,
      max_pending: limits.maxPending,
      max_control_line: limits.maxControlLine,
      max_subscriptions: limits.maxSubscriptions,
      // Statistics that nats-server does not have.
      edge: {
        upstream: hub.upstreamOpen ? 'open' : 'reconnecting',
        broker: hub.upstream.info.name,
        draining: hub.registry.isDraining,
        upstream_subscriptions: stats.upstreamSubscriptions,
        replays: stats.replays,
        presence_channels: stats.channels,
        closed: Object.fromEntries(stats.closed),
      },
    })
  })

  app.get('/connz', (c) => {
    const { user, subs, match } = c.req.query()
    const all = [...hub.connections].filter(({ stats }) => isListed(stats, user, match))
    const { page, ...paging } = paginate(all, c.req.query())
    const connections = page.map((connection) => describe(connection, subs === '1'))
    return c.json({ ...head(hub), num_connections: page.length, ...paging, connections })
  })

  app.get('/subsz', (c) => {
    const match = c.req.query('match')?.toLowerCase()
    const all = [...hub.interests.list()].filter(({ filter }) => !match || filter.toLowerCase().includes(match))
    const { page, ...paging } = paginate(all, c.req.query())
    return c.json({
      ...head(hub),
      num_subscriptions: all.reduce((sum, { subscriptions }) => sum + subscriptions, 0),
      num_upstream: all.length,
      ...(c.req.query('subs') === '1' && {
        ...paging,
        subscriptions_list: page.map(({ filter, queue, subscriptions }) => ({
          subject: filter,
          ...(queue !== undefined && { queue_name: queue }),
          clients: subscriptions,
        })),
      }),
    })
  })

  app.get('/metrics', async (c) => {
    const { name, names = [] } = peers.group ?? {}
    // All hubs of a group see the same streams.
    const jetstream = name === names[0] ? await reports.read().catch(() => undefined) : undefined
    const labels = name === undefined ? {} : { hub: name }
    return c.body(writeMetrics(hub, labels, jetstream), 200, { 'Content-Type': 'text/plain; version=0.0.4' })
  })

  return app
}

function head(hub: HubCore) {
  return { server_id: hub.id, now: at(hub.clock()) }
}

function at(time: number): string {
  return new Date(time).toISOString()
}

function isListed({ id, user, client, address }: ConnectionStats, wanted?: string, match?: string): boolean {
  if (wanted !== undefined && user !== wanted) return false
  if (!match) return true
  return [id, user, client.name, address].some((text) => text?.toLowerCase().includes(match.toLowerCase()))
}

function describe({ stats, filters }: HubConnection, withFilters: boolean) {
  const { id, user, client, address, openedAt, activeAt, unread } = stats
  return {
    cid: clientIdOf(id),
    /** For `POST /admin/disconnect`. */
    id,
    ...client,
    ...(user !== '' && { authorized_user: user }),
    ...(address !== undefined && { ip: address }),
    start: at(openedAt),
    last_activity: at(activeAt),
    pending_bytes: unread,
    in_msgs: stats.inMessages,
    in_bytes: stats.inBytes,
    out_msgs: stats.outMessages,
    out_bytes: stats.outBytes,
    subscriptions: stats.subscriptions,
    ...(withFilters && { subscriptions_list: filters }),
  }
}

function paginate<Item>(all: readonly Item[], query: Readonly<Record<string, string>>) {
  const offset = readCount('offset', query.offset, 0)
  const limit = Math.min(readCount('limit', query.limit, PAGE), PAGE)
  return { page: all.slice(offset, offset + limit), total: all.length, offset, limit }
}

function readCount(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new SpanwireError('invalid-argument', `${name} must be a number of entries, such as ${fallback}.`)
}
