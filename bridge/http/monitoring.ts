import { Hono } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { clientIdOf } from '../delivery/connection-stats.ts'
import type { Hub, HubConnection } from '../hub/hub.ts'
import type { Peers } from '../hub/peers.ts'
import { closings } from '../session/close-reason.ts'
import { requireKey } from './key.ts'
import { writeMetrics } from './metrics.ts'
import { answerMonitoring, routeToHub } from './monitoring-peers.ts'
import { toProblem } from './problem.ts'

/** Who may see what a bridge does. Without it there are no such routes. */
export interface MonitoringOptions {
  /** Sent as `Authorization: Bearer`; at least 32 letters and digits, and not a key that tokens are signed with. */
  readonly key: string
}

const PATHS = ['/varz', '/connz', '/subsz', '/metrics']

/** Most that a page of a list holds; nats-server's own default. */
const PAGE = 1_024

/** Whether a request is for one of these routes. */
export function isMonitoring({ url }: Request): boolean {
  return PATHS.includes(new URL(url).pathname)
}

/**
 * `GET /varz`, `/connz` and `/subsz`, with the names that nats-server gives its figures, and `/metrics` for Prometheus.
 * Lists have `offset` and `limit` (1,024 at most); `/connz` also `user`, and `subs=1` for what each subscribes to;
 * `/subsz` has `subs=1`. Tokens and payloads are never shown. `?hub=` with a hub's id, or its name in a group, asks that
 * hub over NATS; in a group `/metrics` without it has the figures of all hubs.
 * Source: https://docs.nats.io/running-a-nats-service/nats_admin/monitoring
 */
export function monitoringRoutes(hub: Hub, peers: Peers, { key }: MonitoringOptions): Hono {
  const app = new Hono()
  const check = requireKey(key, 'monitoring.key')
  for (const path of PATHS) app.use(path, check, routeToHub(peers))
  const figures = figuresOf(hub, peers)
  answerMonitoring(peers, figures)
  return app.route('/', figures)
}

/** The routes without a check of the key. */
function figuresOf(hub: Hub, peers: Peers): Hono {
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
      slow_consumers: stats.closed.get(closings.slowConsumer.error) ?? 0,
      max_connections: limits.maxConnections,
      max_payload: hub.maxPayload,
      max_pending: limits.maxPending,
      max_control_line: limits.maxControlLine,
      max_subscriptions: limits.maxSubscriptions,
      // The bridge's own.
      edge: {
        upstream: hub.upstreamOpen ? 'open' : 'reconnecting',
        broker: hub.upstreamName,
        draining: hub.draining,
        upstream_subscriptions: stats.upstreamSubscriptions,
        replays: stats.replays,
        presence_channels: stats.channels,
        closed: Object.fromEntries(stats.closed),
      },
    })
  })

  app.get('/connz', (c) => {
    const { user, subs } = c.req.query()
    const all = [...hub.connections].filter((one) => user === undefined || one.figures.user === user)
    const { page, ...place } = paginate(all, c.req.query())
    const connections = page.map((connection) => describe(connection, subs === '1'))
    return c.json({ ...head(hub), num_connections: page.length, ...place, connections })
  })

  app.get('/subsz', (c) => {
    const all = [...hub.interests()]
    const { page, ...place } = paginate(all, c.req.query())
    return c.json({
      ...head(hub),
      num_subscriptions: all.reduce((sum, { subscriptions }) => sum + subscriptions, 0),
      num_upstream: all.length,
      ...(c.req.query('subs') === '1' && {
        ...place,
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

function head(hub: Hub) {
  return { server_id: hub.id, now: at(hub.clock()) }
}

function at(time: number): string {
  return new Date(time).toISOString()
}

function describe({ figures, filters }: HubConnection, withFilters: boolean) {
  const { id, user, client, openedAt, heardAt, unread } = figures
  return {
    cid: clientIdOf(id),
    /** For `POST /admin/disconnect`. */
    id,
    ...client,
    ...(user !== '' && { authorized_user: user }),
    start: at(openedAt),
    last_activity: at(heardAt),
    pending_bytes: unread,
    in_msgs: figures.inMessages,
    in_bytes: figures.inBytes,
    out_msgs: figures.outMessages,
    out_bytes: figures.outBytes,
    subscriptions: figures.subscriptions,
    ...(withFilters && { subscriptions_list: filters }),
  }
}

function paginate<Item>(all: readonly Item[], query: Readonly<Record<string, string>>) {
  const offset = readCount('offset', query.offset, 0)
  const limit = Math.min(readCount('limit', query.limit, PAGE), PAGE)
  return { page: all.slice(offset, offset + limit), total: all.length, offset, limit }
}

function readCount(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new SpanwireError('invalid-argument', `${name} must be a number of entries, such as ${otherwise}.`)
}
