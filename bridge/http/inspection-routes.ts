import { type Context, Hono } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { HubCore } from '../hub/hub-core.ts'
import { RateHistory, SAMPLE_INTERVAL } from '../hub/rate-history.ts'
import { RelayWatch } from '../hub/relay-watch.ts'
import type { StreamReports } from '../hub/stream-reports.ts'
import { Tails } from '../hub/tails.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { checkFilter } from './events-query.ts'

/** Members of a channel that are listed. */
const MAX_MEMBERS = 50
/** Channels in a page. */
const MAX_CHANNELS = 200

/** Paths of {@link inspectionRoutes}. */
export const INSPECTION_PATHS = ['/ratez', '/logz', '/jsz', '/presencez', '/relayz', '/tailz'] as const

/** Parts of the bridge that {@link inspectionRoutes} reads. */
export interface InspectionServices {
  readonly hub: HubCore
  readonly upstream: Upstream
  readonly reports: StreamReports
}

/**
 * Monitoring that nats-server does not have, or has in another form: rates, recent events, streams, presence, relays, and a
 * live tail. What costs CPU or a subscription runs only while it is queried.
 * @param tail whether messages may be read
 */
export function inspectionRoutes(services: InspectionServices, tail: boolean): { app: Hono; close: () => void } {
  const { hub, upstream, reports } = services
  const app = new Hono()
  const history = new RateHistory()
  hub.registry.onTick = (now) => history.sample(now, () => hub.stats)
  const relays = new RelayWatch(upstream, hub.clock)
  const tails = new Tails(upstream, hub.clock)
  const head = () => ({ server_id: hub.id, now: new Date(hub.clock()).toISOString() })

  app.get('/ratez', (c) => {
    history.sample(hub.clock(), () => hub.stats)
    return c.json({ ...head(), interval: SAMPLE_INTERVAL, samples: history.samples })
  })

  app.get('/logz', (c) => {
    const events = hub.log.recent(readNumber(c, 'after'))
    return c.json({ ...head(), refused: Object.fromEntries(hub.log.refused), events })
  })

  app.get('/jsz', async (c) => {
    return c.json({ ...head(), ...(await reports.read()) })
  })

  app.get('/presencez', (c) => {
    const all = [...hub.channels.list()]
    const channels = all.slice(0, MAX_CHANNELS).map(({ name, watchers, members }) => ({
      name,
      watchers,
      num_members: members.length,
      members: members.slice(0, MAX_MEMBERS).map(({ id, user }) => ({ id, user })),
    }))
    return c.json({ ...head(), total: all.length, channels })
  })

  app.get('/relayz', (c) => c.json({ ...head(), processes: relays.read() }))

  app.get('/tailz', (c) => {
    if (!tail)
      throw new SpanwireError('permission-denied', 'The monitoring key may not read messages. Set monitoring.tail.')
    const filter = c.req.query('subject') ?? ''
    checkFilter(filter)
    return c.json({ ...head(), ...tails.read(filter, readNumber(c, 'after')) })
  })

  const close = () => {
    relays.close()
    tails.close()
  }
  return { app, close }
}

/** @throws SpanwireError `invalid-argument` */
function readNumber(c: Context, name: string): number | undefined {
  const text = c.req.query(name)
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new SpanwireError('invalid-argument', `${name} must be a number, such as the "next" or "seq" of a response.`)
}
