import { request } from 'node:http'
import { serveLocally } from './serve-locally.ts'

/** A balancer without sticky sessions: each request goes to the next of `targets`, which are URLs. */
export function startRoundRobin(targets: readonly string[]): Promise<{ readonly url: string } & AsyncDisposable> {
  let count = 0
  return serveLocally((incoming, response) => {
    const target = targets[count++ % targets.length] ?? ''
    const { method, headers, url } = incoming
    const outgoing = request(`${target}${url}`, { method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      response.flushHeaders()
      answer.pipe(response)
    })
    outgoing.on('error', () => response.destroy())
    response.on('close', () => outgoing.destroy())
    incoming.pipe(outgoing)
  })
}
