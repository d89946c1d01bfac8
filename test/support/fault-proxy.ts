import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy in front of a real server, which fails on demand. */
export interface FaultProxy {
  readonly port: number
  /** Number of open connections. */
  readonly connections: number
  /** Number of connections since the start. */
  readonly accepted: number
  /** Resets every connection. */
  cut(): void
  /** Drops incoming bytes in both directions and keeps connections open, like a network that fails silently. */
  pause(): void
  resume(): void
  /** Resets new connections. */
  refuse(): void
  accept(): void
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export async function startFaultProxy(target: number): Promise<FaultProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let paused = false
  let refusing = false
  let accepted = 0
  const server = createServer((client) => {
    client.on('error', () => {})
    if (refusing) return client.resetAndDestroy()
    accepted++
    const upstream = connect(target, '127.0.0.1')
    upstream.on('error', () => {})
    const pair = [client, upstream] as const
    pairs.add(pair)
    const relay = (from: Socket, to: Socket) => {
      from.on('data', (chunk) => {
        if (!paused) to.write(chunk)
      })
      from.on('close', () => {
        pairs.delete(pair)
        if (!paused) to.destroy()
      })
    }
    relay(client, upstream)
    relay(upstream, client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const cut = () => {
    for (const [client, upstream] of pairs) {
      client.resetAndDestroy()
      upstream.destroy()
    }
    pairs.clear()
  }
  const close = async () => {
    cut()
    await new Promise((resolve) => server.close(resolve))
  }
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get connections() {
      return pairs.size
    },
    get accepted() {
      return accepted
    },
    cut,
    pause: () => {
      paused = true
    },
    resume: () => {
      paused = false
    },
    refuse: () => {
      refusing = true
    },
    accept: () => {
      refusing = false
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
