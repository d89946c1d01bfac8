/** Monitoring of one hub through another: `?hub=hub-2` reaches that process from every other one. */
import type { Context, Hono, MiddlewareHandler } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { Peers } from '../hub/peers.ts'
import { mergeMetrics } from './metrics.ts'

/** The kind of these requests between hubs. */
const KIND = 'MONITORING'
const TYPE_HEADER = 'Content-Type'
const STATUS_HEADER = 'Spanwire-Status'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Responds to other hubs with the statistics of this hub.
 * @param statistics the monitoring routes without a check of the key, which the other hub has checked
 */
export function answerMonitoring(peers: Peers, statistics: Hono): void {
  peers.handle(KIND, async ({ payload }) => {
    const path = decoder.decode(payload)
    if (!/^\/(\w{2,10}z|metrics)(\?[!-~]{0,2000})?$/.test(path))
      throw new SpanwireError('invalid-argument', 'That is not a monitoring route.')
    const response = await statistics.request(path)
    const fields = [
      [STATUS_HEADER, String(response.status)] as const,
      [TYPE_HEADER, response.headers.get('Content-Type') ?? 'text/plain'] as const,
    ]
    return { fields, payload: new Uint8Array(await response.arrayBuffer()) }
  })
}

/** Forwards a request to the hub that it names. Without a name it is for this hub, unless there are several in the group. */
export function routeToHub(peers: Peers): MiddlewareHandler {
  return async (c, next) => {
    const hub = c.req.query('hub')
    const { names = [] } = peers.group ?? {}
    if (hub !== undefined) return peers.isSelf(hub) ? next() : forward(c, peers, hub)
    if (names.length < 2) return next()
    if (c.req.path === '/metrics') return allMetrics(c, peers, names)
    throw new SpanwireError('invalid-argument', `There are several hubs. Name one: ?hub= ${names.join(', ')}.`)
  }
}

async function forward(c: Context, peers: Peers, hub: string): Promise<Response> {
  const { body, status, type } = await statisticsOf(peers, hub, c.req.path + new URL(c.req.url).search)
  return new Response(body, { status, headers: { 'Content-Type': type } })
}

/** Metrics of all hubs of the group, labelled with the hub. A hub that does not respond is left out. */
async function allMetrics(c: Context, peers: Peers, names: readonly string[]): Promise<Response> {
  const texts = await Promise.all(
    names.map((name) =>
      statisticsOf(peers, name, `/metrics?hub=${name}`).then(
        ({ body }) => decoder.decode(body),
        () => '',
      ),
    ),
  )
  return c.body(mergeMetrics(texts), 200, { 'Content-Type': 'text/plain; version=0.0.4' })
}

async function statisticsOf(peers: Peers, hub: string, path: string) {
  const { fields, payload } = await peers
    .ask(hub, KIND, { fields: [], payload: encoder.encode(path) })
    .catch((cause) => {
      if (cause.code !== 'timeout') throw cause
      const text = `The hub ${hub} did not respond in time, or its response is larger than a message of NATS. Use a smaller limit.`
      throw new SpanwireError('timeout', text, { cause })
    })
  const header = (wanted: string) => fields.find(([name]) => name === wanted)?.[1]
  const status = Number(header(STATUS_HEADER))
  return {
    status: status >= 200 && status <= 599 ? status : 502,
    type: header(TYPE_HEADER) ?? 'text/plain',
    body: Uint8Array.from(payload),
  }
}
