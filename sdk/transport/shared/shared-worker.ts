/** The SharedWorker that has the connection of all tabs of an origin. */
import { createHost } from './host.ts'
import { hostLock, type Port } from './port.ts'

const host = createHost()
/** By it tabs notice that this worker is gone, which nothing else tells them. */
const held = new Promise<void>((resolve) => {
  void navigator.locks.request(hostLock(self.name), () => {
    resolve()
    return new Promise(() => {})
  })
})

addEventListener('connect', async (event) => {
  const [channel] = (event as MessageEvent).ports as unknown as [MessagePort]
  await held
  const port: Port = { post: (message) => channel.postMessage(message), receive: () => {} }
  host.accept(port)
  channel.onmessage = ({ data }) => port.receive(data)
})
