/** PartyServer: a room in a Durable Object that sends to all clients, or to the clients of a subject. */
// biome-ignore lint/suspicious/noTsIgnore: installed for the benchmark only
// @ts-ignore
import { routePartykitRequest, Server } from 'partyserver'

interface Connection {
  state: { subjects: string[] } | null
  setState(state: { subjects: string[] }): void
  send(data: string): void
}

export class Bench extends (Server as new (
  ...args: never[]
) => { broadcast(data: string): void; getConnections(): Iterable<Connection> }) {
  onMessage(connection: Connection, data: string): void {
    const [verb, subject = '', ...rest] = data.split(' ')
    if (verb === 'SUB') {
      connection.setState({ subjects: [subject, ...rest] })
      connection.send('READY')
      return
    }
    const payload = rest.join(' ')
    if (subject === 'bench') return this.broadcast(payload)
    for (const one of this.getConnections())
      if (one.state?.subjects.includes(subject) || one.state?.subjects.includes('own.*')) one.send(payload)
  }
}

export default {
  fetch: async (request: Request, env: object): Promise<Response> =>
    (await (routePartykitRequest as (request: Request, env: object) => Promise<Response | null>)(request, env)) ??
    new Response('', { status: 404 }),
}
