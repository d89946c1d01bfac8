import { getRequestListener } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { serveLocally } from '../support/serve-locally.ts'

/** Serves a folder's files on an origin of its own. */
export function serveFolder(folder: string): ReturnType<typeof serveLocally> {
  return serveLocally(getRequestListener(new Hono().use('*', serveStatic({ root: folder })).fetch))
}
