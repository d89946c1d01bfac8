import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { serveLocally } from '../support/serve-locally.ts'

/** Serves an empty page with page-app.ts from a separate origin. */
export async function servePage(): ReturnType<typeof serveLocally> {
  const { outputFiles } = await build({
    entryPoints: ['page-app.ts', '../../sdk/transport/shared/shared-worker.ts'].map((path) =>
      fileURLToPath(new URL(path, import.meta.url)),
    ),
    entryNames: '[name]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    outdir: '/',
    write: false,
  })
  const files = new Map(outputFiles.map(({ path, contents }) => [path, contents]))
  return serveLocally((request, response) => {
    const file = files.get(request.url ?? '')
    if (file) return void response.setHeader('Content-Type', 'text/javascript').end(file)
    response.setHeader('Content-Type', 'text/html')
    response.end(
      '<!doctype html><title>Spanwire</title><link rel="icon" href="data:,"><script type="module" src="/page-app.js"></script>',
    )
  })
}
