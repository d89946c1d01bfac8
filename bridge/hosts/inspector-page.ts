/** The inspector: a page for operators, as one file of the package. */
import { readFile } from 'node:fs/promises'
import { Hono } from 'hono'
import { SpanwireError } from '../../sdk/wire/errors.ts'

/** Options of the inspector. */
export interface InspectorOptions {
  /** Path of the page. Default `/inspector`. */
  readonly path?: string
}

/** Whether a path consists of plain segments. */
export function isInspectorPath(path: string): boolean {
  return /^(\/[\w.~-]+)+$/.test(path)
}

/**
 * Serves the page. It holds no secret: it asks for the monitoring key, and sends it with its requests.
 * @param more routes after it
 * @throws SpanwireError `invalid-argument`
 */
export function inspectorRoutes({ path = '/inspector' }: InspectorOptions, more?: Hono): Hono {
  if (!isInspectorPath(path))
    throw new SpanwireError(
      'invalid-argument',
      `inspector.path is ${JSON.stringify(path)}. Use a path such as /inspector.`,
    )
  const app = new Hono()
  app.get(path, async (c) => {
    const page = await readPage()
    if (page === undefined) return c.text('The inspector is not built: run "npm run build".', 503)
    const [, policy = "default-src 'none'"] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page) ?? []
    c.header('Content-Security-Policy', `${policy}; frame-ancestors 'none'`)
    c.header('X-Content-Type-Options', 'nosniff')
    c.header('Referrer-Policy', 'no-referrer')
    c.header('Cache-Control', 'no-cache')
    // The bridge may be mounted under a path, so the page finds it by a relative URL.
    const up = '../'.repeat(path.split('/').length - 2) || './'
    return c.html(page.replace('data-bridge="./"', `data-bridge="${up}"`))
  })
  return more ? app.route('/', more) : app
}

/** The page as `npm run build` bundled it. Undefined if it was not built. */
function readPage(): Promise<string | undefined> {
  return readFile(new URL('../inspector/dist/inspector.html', import.meta.url), 'utf8').catch(() => undefined)
}
