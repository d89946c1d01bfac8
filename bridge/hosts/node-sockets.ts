import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Timeouts } from './timeouts.ts'

/** Interval between checks of deadlines, in ms. */
const TICK = 2_500

/**
 * The TCP connections of a server, including upgraded ones. Their number is bounded, and their time without a request. A
 * closing server ends all of them. Deno 2.9 has no timeout for a client that never sends a request.
 */
export class NodeSockets {
  readonly #all = new Set<Socket>()
  /** Connections without a request, the longest waiting first, with their deadlines. */
  readonly #waiting = new Map<Socket, number>()
  readonly #timer: ReturnType<typeof setInterval>

  /** @param max largest number. Beyond it the longest waiting connection is closed, or else the newest. */
  constructor(server: Server, timeouts: Required<Timeouts>, max: number) {
    const forget = (socket: Socket) => this.#forget(socket)
    // One function for all sockets.
    function closed(this: Socket): void {
      forget(this)
    }
    server.on('connection', (socket: Socket) => {
      this.#all.add(socket)
      this.#wait(socket, timeouts.headers)
      socket.on('close', closed)
      const [longest = socket] = this.#waiting.keys()
      if (this.#all.size > max) longest.destroy()
    })
    server.on('request', ({ socket }, response) => {
      this.#waiting.delete(socket)
      response.once('close', () => this.#wait(socket, timeouts.keepAlive))
    })
    this.#timer = setInterval(() => this.#sweep(), TICK)
    this.#timer.unref()
  }

  get size(): number {
    return this.#all.size
  }

  /** A connection was upgraded. From now on the hub checks its deadlines. */
  upgraded(socket: Socket): void {
    this.#waiting.delete(socket)
  }

  /** Destroys the remaining connections. */
  close(): void {
    clearInterval(this.#timer)
    for (const socket of this.#all) socket.destroy()
  }

  #wait(socket: Socket, patience: number): void {
    if (this.#all.has(socket)) this.#waiting.set(socket, performance.now() + patience)
  }

  #forget(socket: Socket): void {
    this.#all.delete(socket)
    this.#waiting.delete(socket)
  }

  #sweep(): void {
    const now = performance.now()
    for (const [socket, deadline] of this.#waiting) if (deadline <= now) socket.destroy()
  }
}
