/**
 * The bridge as a server on Deno: the host of Node, on Deno's `node:http`. Requires `--allow-net` and `--allow-env`, which
 * `ws` reads.
 *
 * `Deno.upgradeWebSocket` is not used. Once `close` is called, Deno 2.9 ends the connection at the next message of the
 * client. If that message is already on its way, the client sees 1006 instead of the close code.
 */
export { type BridgeServer, type ServeOptions, serve } from './node.ts'
