import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { transform } from 'esbuild'
import { root } from '../build/source-files.ts'
import { serveLocally } from '../support/serve-locally.ts'

/** An origin that serves the SDK's modules as they are, one file each, as a CDN or a deployment does. */
export interface ModuleServer extends AsyncDisposable {
  readonly url: string
  /** Paths that answer 404, such as `sdk/bus/request.js`: a deployment has replaced them. */
  readonly missing: Set<string>
  /** More files, by path. JavaScript by their names, else HTML. */
  readonly files: Map<string, string>
  /** Answers to every request for that path begin with these headers. */
  readonly headers: Map<string, Readonly<Record<string, string>>>
}

/** Script that runs first in every page. */
const PAGE =
  '<!doctype html><title>Spanwire</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>'
const PAGE_SCRIPT = "import * as spanwire from '/sdk/index.js'\nObject.assign(globalThis, { spanwire })\n"

export async function serveModules(): Promise<ModuleServer> {
  const missing = new Set<string>()
  const headers = new Map<string, Readonly<Record<string, string>>>()
  const files = new Map([
    ['', PAGE],
    ['page.js', PAGE_SCRIPT],
  ])
  const compiled = new Map<string, Promise<string>>()

  async function compile(path: string): Promise<string> {
    const source = await readFile(join(root, path.replace(/\.js$/, '.ts')), 'utf8')
    const { code } = await transform(source, { loader: 'ts', target: 'es2022', format: 'esm' })
    return code.replace(/(['"]\.{1,2}\/[^'"]+)\.ts(['"])/g, '$1.js$2')
  }

  const server = await serveLocally(async (request, response) => {
    const path = new URL(request.url ?? '', 'http://x').pathname.slice(1)
    for (const [name, value] of Object.entries(headers.get(path) ?? {})) response.setHeader(name, value)
    // Pages of other origins import modules.
    response.setHeader('Access-Control-Allow-Origin', '*')
    response.setHeader('Cache-Control', 'no-store')
    response.setHeader('Content-Type', path.endsWith('.js') ? 'text/javascript' : 'text/html')
    try {
      if (missing.has(path)) throw new Error('missing')
      const known = files.get(path)
      if (known === undefined && !compiled.has(path)) compiled.set(path, compile(path))
      response.end(known ?? (await compiled.get(path)))
    } catch {
      response.statusCode = 404
      response.end()
    }
  })
  return { url: server.url, missing, files, headers, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}
