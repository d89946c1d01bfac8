/** A bridge as applications write it: `nats` and `ws`, with one send per client. `by-hand.ts <nats url>` */
import process from 'node:process'
import { connect, StringCodec, type Subscription } from 'nats'
import { type WebSocket, WebSocketServer } from 'ws'

const nats = await connect({ servers: process.argv[2] ?? '' })
const text = StringCodec()
const rooms = new Map<string, { clients: Set<WebSocket>; subscription: Subscription }>()
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false }, () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as { port: number }).port} `)
})

server.on('connection', (socket) => {
  const mine: string[] = []
  socket.on('message', async (data) => {
    const [verb, ...subjects] = String(data).split(' ')
    if (verb !== 'SUB') return
    for (const subject of subjects) {
      mine.push(subject)
      room(subject).clients.add(socket)
    }
    await nats.flush()
    socket.send('READY')
  })
  socket.on('close', () => {
    for (const subject of mine) {
      const { clients, subscription } = room(subject)
      clients.delete(socket)
      if (clients.size > 0) continue
      subscription.unsubscribe()
      rooms.delete(subject)
    }
  })
})

function room(subject: string) {
  const known = rooms.get(subject)
  if (known) return known
  const clients = new Set<WebSocket>()
  const subscription = nats.subscribe(subject, {
    callback(_, message) {
      for (const client of clients)
        client.send(JSON.stringify({ subject: message.subject, data: text.decode(message.data) }))
    },
  })
  const made = { clients, subscription }
  rooms.set(subject, made)
  return made
}
