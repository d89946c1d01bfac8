/**
 * The bridge on Deno: Node's HTTP server, as Deno provides it, and `ws`. Deno's own server has no limit for the size of a
 * WebSocket message, and no timeout for a client that sends no request or does not answer a close frame. It also takes twice
 * the CPU per delivery (Deno 2.9.6).
 */
export { type BridgeServer, type ServeOptions, serve, type Timeouts } from './node.ts'
