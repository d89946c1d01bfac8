/**
 * Runs a bridge on the runtime that this is started with: `<runtime> host.ts <options as JSON>`. Prints its URL,
 * and ends when its standard input does.
 */
import type { ServeOptions } from '../../bridge/server.ts'

const runtime = 'Bun' in globalThis ? 'bun' : 'Deno' in globalThis ? 'deno' : 'node'
const { serve } = (await import(`../../bridge/${runtime}.ts`)) as typeof import('../../bridge/node.ts')

const server = await serve(JSON.parse(process.argv[2] ?? '') as ServeOptions)
console.log(`listening on ${server.url} (${runtime})`)

process.stdin.resume()
process.stdin.on('end', async () => {
  await server.close()
  console.log('closed')
  process.exit(0)
})
