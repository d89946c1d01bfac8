/**
 * Runs a bridge on the runtime that this is started with: `<runtime> host.ts <upstream> <secret>`. Prints its URL, and
 * ends when its standard input does.
 */
import type { ServeOptions } from '../../bridge/server.ts'

const runtime = 'Bun' in globalThis ? 'bun' : 'Deno' in globalThis ? 'deno' : 'node'
const { serve } = (await import(`../../bridge/${runtime}.ts`)) as typeof import('../../bridge/node.ts')

const [upstream = 'embedded', secret = ''] = process.argv.slice(2)
const options: ServeOptions = { upstream, auth: { secret }, origins: ['https://app.example'] }
const server = await serve(options)
console.log(`listening on ${server.url} (${runtime})`)

process.stdin.resume()
process.stdin.on('end', async () => {
  await server.close()
  console.log('closed')
  process.exit(0)
})
