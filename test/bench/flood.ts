/**
 * A publish flood beside a quiet neighbour: `node test/bench/flood.ts`. The neighbour's p99 latency, calm and during
 * the flood, in the same run; three runs.
 */
import { connected, everything, sign } from '../security/live-bridge.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { runOn, startHost } from '../support/process-host.ts'
import { SECRET } from '../support/token.ts'

const SAMPLES = 1_000
const nats = await startNatsServer()
const host = await startHost('node', { upstream: nats.url, auth: { secret: SECRET } })
const neighbour = await connected(`${host.url.replace('http', 'ws')}/nats`, {
  auth_token: await sign({ sub: 'neighbour', nats: everything }),
})
await neighbour.exchange('SUB quiet 1\r\n')

/** In ms. */
async function p99(): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < SAMPLES; i++) {
    const start = performance.now()
    neighbour.send('PUB quiet 2\r\nhi\r\n')
    await neighbour.next()
    times.push(performance.now() - start)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return times.sort((a, b) => a - b)[Math.floor(SAMPLES * 0.99)] as number
}

/** The flooder runs in a process of its own: it is the bridge that is measured, not whoever floods. */
function flood(token: string): () => Promise<unknown> {
  const child = runOn('node', 'test/bench/flooder.ts', [`${host.url.replace('http', 'ws')}/nats`, token])
  const ended = new Promise((resolve) => child.once('exit', resolve))
  return () => {
    child.kill()
    return ended
  }
}

const ratios: number[] = []
await p99()
for (let run = 1; run <= 3; run++) {
  const calm = await p99()
  const stop = flood(await sign({ sub: 'mallory', nats: everything }))
  const flooded = await p99()
  await stop()
  ratios.push(flooded / calm)
  console.log(
    `run ${run}: p99 calm ${calm.toFixed(2)} ms, flooded ${flooded.toFixed(2)} ms, ratio ${(flooded / calm).toFixed(2)}`,
  )
}
console.log(`median ratio ${ratios.sort((a, b) => a - b)[1]?.toFixed(2)}`)
neighbour.terminate()
await host.stop()
await nats[Symbol.asyncDispose]()
process.exit(0)
