import { createServer } from 'node:net'

/**
 * Ports that `freePort` picks from. Systems take the source ports of outgoing connections from higher ranges (Linux
 * from 32768, others from 49152), so a server that is down for a moment gets its port back.
 */
const FIRST = 20_000
const LAST = 32_767
/** Ports that this process got. Two callers must not get the same one before its use. */
const given = new Set<number>()

/**
 * Returns a free TCP port of the loopback interface: `wanted` or one of the 50 ports after it. Without `wanted`, one
 * of 20000 to 32767. Another process may take the port before its use.
 */
export async function freePort(wanted?: number): Promise<number> {
  for (let tries = 0; ; tries++) {
    const port = wanted === undefined ? anyPort() : wanted + tries
    try {
      await bind(port)
      return port
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || tries >= 50 || port >= 65_535) throw error
    }
  }
}

/** Starts a server on free ports. Up to three attempts: another process may take a port before the server binds it. */
export async function onFreePorts<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start()
    } catch (error) {
      if (attempt === 3) throw error
    }
  }
}

function anyPort(): number {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1))
    if (given.has(port)) continue
    given.add(port)
    return port
  }
}

function bind(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => server.close(() => resolve()))
  })
}
