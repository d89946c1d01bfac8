import type { BridgeServer, ServeOptions } from '../../hosts/bridge-server.ts'
import { runtime } from './runtime.ts'

/** Starts a bridge by this runtime's own server. See `serve` of bridge/hosts. */
export async function serveHere(options: ServeOptions): Promise<BridgeServer> {
  const { serve } = await (runtime === 'bun'
    ? import('../../hosts/bun.ts')
    : runtime === 'deno'
      ? import('../../hosts/deno.ts')
      : import('../../hosts/node.ts'))
  return serve(options)
}
