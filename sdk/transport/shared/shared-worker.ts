/**
 * The entry `spanwire/shared-worker`: a SharedWorker that hosts the connection of all tabs of an origin. It has no dynamic
 * imports: bundlers make it one file.
 */
import { createHost } from './host.ts'
import { findLocks, hostLock, type Port } from './port.ts'

const host = createHost()
/** Resolves when the lock is held. By this lock, tabs detect that the worker has ended. */
const held = new Promise<void>((resolve) => {
  const locks = findLocks()
  if (!locks) return resolve()
  locks
    .request(hostLock(self.name), () => {
      resolve()
      return new Promise(() => {})
    })
    .catch(() => resolve())
})

addEventListener('connect', async (event) => {
  const [channel]: readonly MessagePort[] = event instanceof MessageEvent ? event.ports : []
  if (!channel) return
  await held
  const port: Port = { post: (message) => channel.postMessage(message), receive: () => {} }
  host.accept(port)
  channel.onmessage = ({ data }) => port.receive(data)
  port.post({ here: true })
})
