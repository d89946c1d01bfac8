import { getRequestListener } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { serveLocally } from '../support/serve-locally.ts'

/** Serves the files of a folder on a separate origin. */
export function serveFolder(folder: string): ReturnType<typeof serveLocally> {
  return serveLocally(getRequestListener(new Hono().use('*', serveStatic({ root: folder })).fetch))
}
