import { createServer } from 'node:net'

/**
 * Returns a free TCP port of the loopback interface: `wanted` or one of the 50 ports after it. Without `wanted`, any
 * port. Another process may take the port before its use.
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
