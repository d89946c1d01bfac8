/**
 * Runs a bridge on the current runtime: `<runtime> host.ts <options as JSON> [module of the contract]`. Prints its URL when its upstream is open,
 * because a PONG before that does not prove that a subscription is live. Input on stdin starts a drain. The end of
 * stdin closes the bridge.
 */
import type { ContractOptions } from '../../bridge/contract/contract-options.ts'
import type { ServeOptions } from '../../bridge/hosts/bridge-server.ts'

const runtime = 'Bun' in globalThis ? 'bun' : 'Deno' in globalThis ? 'deno' : 'node'
const { serve } = (await import(`../../bridge/hosts/${runtime}.ts`)) as typeof import('../../bridge/hosts/node.ts')

const [, , options = '', module] = process.argv
const contract: ContractOptions = module ? (await import(`../../${module}`)).auditedContract : {}
const server = await serve({ ...(JSON.parse(options) as ServeOptions), ...contract })
await server.bridge.hub.opened
console.log(`listening on ${server.url} (${runtime})`)

async function end(how: () => Promise<void>): Promise<void> {
  await how()
  console.log('closed')
  process.exit(0)
}
process.stdin.on('data', () => end(server.drain))
process.stdin.on('end', () => end(server.close))
