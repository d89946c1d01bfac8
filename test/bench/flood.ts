/**
 * A publish flood next to a quiet neighbour: `node test/bench/flood.ts`. Prints the p99 latency of the neighbour during
 * the flood divided by its p99 without a flood, in the same run, as the median of five. For comparison it floods another
 * bridge on the same machine, which shows the effect of the shared processor.
 */
import { connected, everything, sign } from '../security/live-bridge.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { type HostProcess, runOn, startHost } from '../support/process-host.ts'
import { SECRET } from '../support/token.ts'

const RUNS = 5
const SAMPLES = 2_000
const nats = await startNatsServer()
const options = { upstream: nats.url, auth: { secret: SECRET } }
const [host, elsewhere] = [await startHost('node', options), await startHost('node', options)]
const endpoint = ({ url }: HostProcess) => `${url.replace('http', 'ws')}/nats`
const neighbour = await connected(endpoint(host), { auth_token: await sign({ sub: 'neighbour', nats: everything }) })
await neighbour.exchange('SUB quiet 1\r\n')

/** p50 and p99, in ms. */
async function latency(): Promise<[p50: number, p99: number]> {
  const times: number[] = []
  for (let i = 0; i < SAMPLES; i++) {
    const start = performance.now()
    neighbour.send('PUB quiet 2\r\nhi\r\n')
    await neighbour.next()
    times.push(performance.now() - start)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  times.sort((a, b) => a - b)
  return [times[SAMPLES / 2] as number, times[Math.floor(SAMPLES * 0.99)] as number]
}

/** The flooder runs in a separate process, because only the bridge is measured. */
async function flooded(target: HostProcess): Promise<[p50: number, p99: number]> {
  const token = await sign({ sub: 'mallory', nats: everything })
  const child = runOn('node', 'test/bench/flooder.ts', [endpoint(target), token])
  await new Promise((resolve) => child.stdout?.once('data', resolve))
  const result = await latency()
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill()
  await ended
  return result
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]?.toFixed(2)
const here: number[] = []
const there: number[] = []
await latency()
for (let run = 1; run <= RUNS; run++) {
  const calm = await latency()
  const beside = await flooded(elsewhere)
  const under = await flooded(host)
  there.push(beside[1] / calm[1])
  here.push(under[1] / calm[1])
  const show = ([p50, p99]: [number, number]) => `${p50.toFixed(2)}/${p99.toFixed(2)}`
  console.log(`run ${run}, p50/p99 in ms: calm ${show(calm)}, flood ${show(under)}, flood elsewhere ${show(beside)}`)
}
console.log(`p99 by calm p99, median of ${RUNS}: flood ${median(here)}, flood elsewhere ${median(there)}`)
neighbour.terminate()
await host.stop()
await elsewhere.stop()
await nats[Symbol.asyncDispose]()
process.exit(0)
