/**
 * Runs a bridge on the current runtime: `<runtime> host.ts <options as JSON>`. Prints its URL when its upstream is open,
 * because a PONG before that does not prove that a subscription is live. Input on stdin starts a drain. The end of
 * stdin closes the bridge.
 */
import type { ServeOptions } from '../../bridge/hosts/bridge-server.ts'

const runtime = 'Bun' in globalThis ? 'bun' : 'Deno' in globalThis ? 'deno' : 'node'
const { serve } = (await import(`../../bridge/hosts/${runtime}.ts`)) as typeof import('../../bridge/hosts/node.ts')

const server = await serve(JSON.parse(process.argv[2] ?? '') as ServeOptions)
await server.bridge.hub.opened
console.log(`listening on ${server.url} (${runtime})`)

async function end(how: () => Promise<void>): Promise<void> {
  await how()
  console.log('closed')
  process.exit(0)
}
process.stdin.on('data', () => end(server.drain))
process.stdin.on('end', () => end(server.close))
