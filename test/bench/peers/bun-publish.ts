/** Publish and subscribe of Bun's WebSocket server, without a broker behind it. */
declare const Bun: {
  serve(options: object): { port: number; publish(topic: string, data: string): number }
}
interface Socket {
  subscribe(topic: string): void
  send(data: string): void
}

const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch: (request: Request, bun: { upgrade(request: Request): boolean }) =>
    bun.upgrade(request) ? undefined : new Response('', { status: 400 }),
  websocket: {
    perMessageDeflate: false,
    message(socket: Socket, data: string) {
      const [verb, subject = '', ...rest] = data.split(' ')
      if (verb === 'SUB') {
        for (const one of [subject, ...rest]) socket.subscribe(one)
        socket.send('READY')
        return
      }
      const payload = rest.join(' ')
      server.publish(subject, payload)
      if (subject.startsWith('own.')) server.publish('own.*', payload)
      if (subject.startsWith('u.')) server.publish('>', payload)
    },
  },
})
console.log(`listening on http://127.0.0.1:${server.port} `)
