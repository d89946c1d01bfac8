/** The floor on workerd: a Durable Object that sends one ready buffer, for each client and turn. */
import { FloorGroups } from './floor-groups.ts'

interface Socket {
  accept(): void
  send(data: Uint8Array): void
  addEventListener(type: 'message', listen: (event: { data: string }) => void): void
  addEventListener(type: 'close', listen: () => void): void
}
declare const WebSocketPair: new () => { 0: Socket; 1: Socket }

const encoder = new TextEncoder()

export class Floor {
  readonly #groups = new FloorGroups<Socket, Uint8Array>(
    (run) => setTimeout(run, 0),
    (text) => encoder.encode(text),
    (socket, bytes) => socket.send(bytes),
  )

  fetch(): Response {
    const { 0: client, 1: server } = new WebSocketPair()
    server.accept()
    server.addEventListener('message', ({ data }) => this.#groups.take(server, data))
    server.addEventListener('close', () => this.#groups.leave(server))
    return new Response(null, { status: 101, webSocket: client } as ResponseInit)
  }
}

interface Env {
  readonly FLOOR: { idFromName(name: string): object; get(id: object): { fetch(request: Request): Promise<Response> } }
}

export default {
  fetch(request: Request, { FLOOR }: Env): Promise<Response> | Response {
    if (request.headers.get('upgrade') !== 'websocket') return new Response('')
    return FLOOR.get(FLOOR.idFromName('all')).fetch(request)
  },
}
