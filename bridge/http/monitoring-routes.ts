import { Hono } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { clientIdOf } from '../delivery/connection-stats.ts'
import type { HubConnection } from '../hub/hub.ts'
import type { HubCore } from '../hub/hub-core.ts'
import type { Peers } from '../hub/peers.ts'
import { closeReasons } from '../session/close-reason.ts'
import { writeMetrics } from './metrics.ts'
import { answerMonitoring, routeToHub } from './monitoring-peers.ts'
import { toProblem } from './problem.ts'
import { requireKey } from './require-key.ts'

/** Turns the monitoring routes on. Without it there are none. */
export interface MonitoringOptions {
  /** Sent as `Authorization: Bearer`. At least 32 characters of `A-Z a-z 0-9 - . _ ~ + /`, and not a key that signs tokens. */
  readonly key: string
}

const PATHS = ['/varz', '/connz', '/subsz', '/metrics']

/** Entries in a page of a list. nats-server's own default. */
const PAGE = 1_024

/** Whether a request is for one of these routes. */
export function isMonitoring({ url }: Request): boolean {
  return PATHS.includes(new URL(url).pathname)
}

/**
 * `GET /varz`, `/connz` and `/subsz`, with nats-server's names, and `/metrics` for Prometheus. Lists take `offset` and
 * `limit` (at most 1,024). `/connz` also takes `user`, and `subs=1` to list subscriptions. `/subsz` takes `subs=1`. Tokens
 * and payloads are never shown. `?hub=` with a hub's id, or its name in a group, requests that hub over NATS. In a group,
 * `/metrics` without it has the statistics of all hubs.
 * Source: https://docs.nats.io/running-a-nats-service/nats_admin/monitoring
 */
export function monitoringRoutes(hub: HubCore, peers: Peers, { key }: MonitoringOptions): Hono {
  const app = new Hono()
  const check = requireKey(key, 'monitoring.key')
  for (const path of PATHS) app.use(path, check, routeToHub(peers))
  const statistics = statisticsRoutes(hub, peers)
  answerMonitoring(peers, statistics)
  return app.route('/', statistics)
}

/** The routes without a check of the key. */
function statisticsRoutes(hub: HubCore, peers: Peers): Hono {
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
    const { user, subs } = c.req.query()
    const all = [...hub.connections].filter((one) => user === undefined || one.stats.user === user)
    const { page, ...paging } = paginate(all, c.req.query())
    const connections = page.map((connection) => describe(connection, subs === '1'))
    return c.json({ ...head(hub), num_connections: page.length, ...paging, connections })
  })

  app.get('/subsz', (c) => {
    const all = [...hub.interests.list()]
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

  app.get('/metrics', (c) =>
    c.body(writeMetrics(hub, peers.group && { hub: peers.group.name }), 200, {
      'Content-Type': 'text/plain; version=0.0.4',
    }),
  )

  return app
}

function head(hub: HubCore) {
  return { server_id: hub.id, now: at(hub.clock()) }
}

function at(time: number): string {
  return new Date(time).toISOString()
}

function describe({ stats, filters }: HubConnection, withFilters: boolean) {
  const { id, user, client, openedAt, activeAt, unread } = stats
  return {
    cid: clientIdOf(id),
    /** For `POST /admin/disconnect`. */
    id,
    ...client,
    ...(user !== '' && { authorized_user: user }),
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
