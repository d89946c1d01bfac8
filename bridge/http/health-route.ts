import { Hono } from 'hono'
import { cors } from 'hono/cors'
import type { HubCore } from '../hub/hub-core.ts'
import type { MonitoringOptions } from './monitoring-routes.ts'
import { hasKey } from './require-key.ts'

/**
 * `GET /healthz`: whether the bridge takes clients, for load balancers and pages of any origin. The broker's version is for
 * callers with the monitoring key alone.
 */
export function healthRoute(hub: HubCore, monitoring: MonitoringOptions | undefined): Hono {
  const app = new Hono()
  app.use(cors())
  app.get('/', async (c) => {
    const upstream = hub.upstreamOpen ? 'open' : 'reconnecting'
    const status = hub.registry.isDraining ? 'draining' : hub.upstreamOpen ? 'ok' : 'unavailable'
    const isKnown = monitoring !== undefined && (await hasKey(c, monitoring.key))
    return c.json({ status, upstream, ...(isKnown && { broker: hub.upstream.info.name }) }, status === 'ok' ? 200 : 503)
  })
  return app
}
