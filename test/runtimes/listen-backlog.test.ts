import { connect, type Socket } from 'node:net'
import process from 'node:process'
import { expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { startHost } from '../support/process-host.ts'
import { SECRET } from '../support/token.ts'

/** More than the default backlog of Node, which is 511. */
const CLIENTS = 700

it('the kernel keeps the connections of a crowd until a busy bridge on Node accepts them', async () => {
  const host = await startHost('node', { upstream: 'embedded', auth: { secret: SECRET } })
  const sockets: Socket[] = []
  let connected = 0
  try {
    // The bridge is busy, as with the handshakes of a crowd that returns.
    process.kill(host.pid, 'SIGSTOP')
    for (let i = 0; i < CLIENTS; i++) {
      const socket = connect(Number(new URL(host.url).port), '127.0.0.1', () => connected++)
      socket.on('error', () => {})
      sockets.push(socket)
    }
    await eventually(() => connected === CLIENTS, { what: `${CLIENTS} connections` }).catch(() => {})
    expect(connected).toBe(CLIENTS)
  } finally {
    process.kill(host.pid, 'SIGCONT')
    for (const socket of sockets) socket.destroy()
    await host.stop()
  }
})
