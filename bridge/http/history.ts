import { Hono } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { isSubjectFilter } from '../../sdk/wire/subject.ts'
import type { HostBindings } from './connect.ts'
import type { FindToken } from './credentials.ts'
import { readFrom } from './events-query.ts'
import { HistoryPage } from './history-page.ts'
import { readHub } from './hub-client.ts'
import type { DialHub, HubLine } from './hub-line.ts'

/** Messages of one page. */
const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000
/** How long the hub may take for a page, in ms. */
const PATIENCE = 10_000

/**
 * `GET /history/:subject?from=…&to=…&limit=…`: a page of what a stream keeps for a filter, as JSON. It is a replay that is
 * ended when it has enough, so it shows what a subscription would.
 */
export function historyRoute(dial: DialHub, findToken: FindToken): Hono<{ Bindings: HostBindings }> {
  const app = new Hono<{ Bindings: HostBindings }>()

  app.get('/:subject', async (c) => {
    const filter = c.req.param('subject')
    if (!isSubjectFilter(filter) || filter.length > 1_024)
      throw new SpanwireError('invalid-subject', `${JSON.stringify(filter.slice(0, 80))} is no subject filter.`)
    const limit = readNumber('limit', c.req.query('limit') ?? String(DEFAULT_LIMIT), MAX_LIMIT)
    const to = c.req.query('to')
    const page = new HistoryPage(filter, {
      from: readFrom(c.req.query('from'), 'all'),
      to: to === undefined ? Number.MAX_SAFE_INTEGER : readNumber('to', to, Number.MAX_SAFE_INTEGER),
      limit,
    })
    let line: HubLine | undefined
    const late = setTimeout(() => page.late(), PATIENCE)
    try {
      line = await dial(c, readHub(page), { token: findToken(c) })
      page.start(line)
      return c.body(await page.text, 200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
    } finally {
      clearTimeout(late)
      line?.close()
    }
  })

  return app
}

function readNumber(name: string, text: string, most: number): number {
  const value = Number(text)
  if (/^\d{1,16}$/.test(text) && value >= 1 && value <= most) return value
  throw new SpanwireError('invalid-argument', `${name} must be a whole number from 1 to ${most}.`)
}
