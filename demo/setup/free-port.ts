import { createServer } from 'node:net'

/**
 * A TCP port of the loopback interface that was free a moment ago: `wanted`, or one of the 50 after it; any, without
 * `wanted`.
 */
export async function freePort(wanted = 0): Promise<number> {
  for (let port = wanted; ; port++) {
    try {
      return await bind(port)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || port >= wanted + 50 || port >= 65_535) throw error
    }
  }
}

function bind(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
